import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { describe, it } from 'node:test';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { eventually, startBroker } from './broker-fixture.ts';

const HAS_KCAT = spawnSync('kcat', ['-V']).status === 0;
if (!HAS_KCAT)
  console.log('*** SKIPPED: librdkafka does not use the embedded broker: kcat is not on PATH (Debian: apt-get install kcat) ***');

async function kcat(args: readonly string[], input = ''): Promise<string> {
  const child = spawn('kcat', args, { stdio: ['pipe', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += String(chunk);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += String(chunk);
  });
  child.stdin.end(input);
  const timer = setTimeout(() => child.kill('SIGKILL'), 20_000);
  const [code] = (await once(child, 'close')) as [number | null];
  clearTimeout(timer);
  assert.equal(code, 0, `kcat ${args.join(' ')}: ${stderr}`);
  return stdout;
}

const lines = (count: number): string => Array.from({ length: count }, (_, i) => `key${i}:value ${i}\n`).join('');

describe('librdkafka (kcat)', { skip: HAS_KCAT ? false : 'kcat is not on PATH' }, () => {
  it('shows the broker, its topics and partitions', async (t) => {
    const { broker, admin } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'shown', numPartitions: 3 }] });
    const metadata = JSON.parse(await kcat(['-b', broker.address, '-L', '-J'])) as {
      readonly brokers: readonly { readonly name: string }[];
      readonly topics: readonly { readonly topic: string; readonly partitions: readonly unknown[] }[];
    };
    assert.equal(metadata.brokers[0]?.name, broker.address);
    assert.deepEqual(
      metadata.topics.map(({ topic, partitions }) => [topic, partitions.length]),
      [['shown', 3]],
    );
  });

  for (const [how, options] of [
    ['as it comes', []],
    ['snappy', ['-z', 'snappy']],
    ['gzip', ['-z', 'gzip']],
    ['lz4', ['-z', 'lz4']],
    ['idempotent', ['-X', 'enable.idempotence=true']],
    ['idempotent and snappy', ['-z', 'snappy', '-X', 'enable.idempotence=true']],
  ] as const) {
    it(`produces and consumes, ${how}`, async (t) => {
      const { broker, admin } = await startBroker(t);
      await admin.createTopics({ topics: [{ topic: 'piped', numPartitions: 1 }] });
      await kcat(['-b', broker.address, '-t', 'piped', '-P', '-K', ':', '-H', 'a=b', ...options], lines(2_000));
      const read = await kcat(['-b', broker.address, '-t', 'piped', '-C', '-e', '-q', '-o', 'beginning', '-f', '%h %o %k:%s\\n']);
      const expected = lines(2_000)
        .trimEnd()
        .split('\n')
        .map((line, i) => `a=b ${i} ${line}`);
      assert.deepEqual(read.trimEnd().split('\n'), expected);
    });
  }

  it('sends all it has in one transaction, which another client that was killed does not', async (t) => {
    const { broker, admin } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'transacted', numPartitions: 1 }] });
    const producer = ['-b', broker.address, '-t', 'transacted', '-P', '-K', ':', '-X', 'transactional.id=kcat'];
    const consumer = ['-b', broker.address, '-t', 'transacted', '-C', '-e', '-q', '-o', 'beginning', '-f', '%k:%s\\n'];
    const readAll = () => kcat([...consumer, '-X', 'isolation.level=read_uncommitted']);
    const killed = spawn('kcat', producer);
    t.after(() => killed.kill('SIGKILL'));
    killed.stdin.on('error', () => {}); // what it had not read when it was killed
    killed.stdin.write(lines(20_000));
    await eventually('some of its records are in the log', async () => (await readAll()).length > 0, 20_000);
    const gone = once(killed, 'close');
    killed.kill('SIGKILL');
    await gone;
    assert.equal(await kcat(consumer), '', 'nobody has decided yet');
    await kcat(producer, lines(3));
    assert.equal(await kcat(consumer), lines(3));
    const all = await readAll();
    assert.ok(all.length > lines(3).length && all.endsWith(lines(3)));
  });

  it('reads a compacted topic from any offset to its end', async (t) => {
    const { broker, admin } = await startBroker(t, { retentionCheckMs: 20 });
    const config = { 'cleanup.policy': 'compact', 'segment.bytes': '20000' };
    const configEntries = Object.entries(config).map(([name, value]) => ({ name, value }));
    await admin.createTopics({ topics: [{ topic: 'compacted', numPartitions: 1, configEntries }] });
    const keyed = Array.from({ length: 3_000 }, (_, i) => `key${i % 10}:value ${i}\n`).join('');
    const produce = ['-b', broker.address, '-t', 'compacted', '-P', '-K', ':', '-z', 'gzip', '-X', 'batch.num.messages=10'];
    await kcat(produce, keyed);
    const read = async (offset: string): Promise<readonly string[]> =>
      (await kcat(['-b', broker.address, '-t', 'compacted', '-C', '-e', '-q', '-o', offset, '-f', '%o %k:%s\\n'])).trimEnd().split('\n');
    await eventually('the early records are gone', async () => Number((await read('0'))[0]?.split(' ')[0]) > 500);
    assert.deepEqual((await read('1')).slice(-10), (await read('2990')).slice(-10));
    assert.equal((await read('0')).at(-1), '2999 key9:value 2999');
  });

  it('gets every record of an idempotent producer once and in order when it is turned away at first', async (t) => {
    const { broker, admin } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'once', numPartitions: 1 }] });
    broker.faults.push({ api: 'Produce', action: { error: ErrorCode.NOT_LEADER }, count: 2 });
    await kcat(['-b', broker.address, '-t', 'once', '-P', '-X', 'enable.idempotence=true', '-X', 'retry.backoff.ms=50'], lines(10));
    assert.equal((await admin.fetchTopicOffsets('once'))[0]?.high, '10');
  });

  it('answers the offset for a time', async (t) => {
    const { broker, admin, producer } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'timed', numPartitions: 1 }] });
    await producer.send({ topic: 'timed', messages: [1_000, 2_000, 3_000].map((time) => ({ value: 'x', timestamp: String(time) })) });
    assert.match(await kcat(['-b', broker.address, '-Q', '-t', 'timed:0:1500']), /offset 1/);
  });

  it('shares a group between two consumers and goes on from what they committed', async (t) => {
    const { broker, admin } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 'shared', numPartitions: 4 }] });
    const group = [
      '-b',
      broker.address,
      '-G',
      'g',
      '-q',
      '-u',
      '-X',
      'session.timeout.ms=6000',
      '-X',
      'auto.offset.reset=earliest',
      'shared',
    ];
    const members = [spawn('kcat', group), spawn('kcat', group)];
    const output = ['', ''];
    for (const [i, { stdout }] of members.entries()) {
      stdout.on('data', (chunk: Buffer) => {
        output[i] += String(chunk);
      });
    }
    const seen = (): string[][] => output.map((text) => text.split('\n').slice(0, -1));
    await eventually('both have joined', async () => (await admin.describeGroups(['g'])).groups[0]?.members.length === 2, 20_000);
    await eventually('the group is stable', async () => (await admin.describeGroups(['g'])).groups[0]?.state === 'Stable', 20_000);
    await kcat(['-b', broker.address, '-t', 'shared', '-P', '-K', ':'], lines(400));
    await eventually('all is read', () => seen().flat().length >= 400, 20_000);
    assert.equal(new Set(seen().flat()).size, 400);
    assert.ok(
      seen().every((part) => part.length > 0),
      'both had a part',
    );
    await Promise.all(
      members.map(async (member) => {
        const gone = once(member, 'close');
        member.kill('SIGINT');
        await gone;
      }),
    );
    const [committed] = await admin.fetchOffsets({ groupId: 'g', topics: ['shared'] });
    assert.equal(
      committed?.partitions.reduce((sum, { offset }) => sum + Number(offset), 0),
      400,
    );
  });

  it('connects with a password and is refused with a wrong one', async (t) => {
    const client = { sasl: { mechanism: 'plain', username: 'me', password: 'secret' } } as const;
    const { broker } = await startBroker(t, { sasl: { users: { me: 'secret' } }, client });
    const as = (password: string) => [
      '-b',
      broker.address,
      '-L',
      '-m',
      '3',
      '-X',
      'security.protocol=SASL_PLAINTEXT',
      '-X',
      'sasl.mechanism=PLAIN',
      '-X',
      'sasl.username=me',
      '-X',
      `sasl.password=${password}`,
    ];
    assert.match(await kcat(as('secret')), /1 brokers/);
    await assert.rejects(kcat(as('wrong')), /Authentication failed/);
  });
});
