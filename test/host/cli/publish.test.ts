import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { appendFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { defineTopic, Id, Type } from '@pipeline-host/sdk';
import { checkLines, inBatches } from '../../../host/src/cli/publish/batches.ts';
import { lineReader, openLines } from '../../../host/src/cli/publish/lines.ts';
import { sendBatches } from '../../../host/src/cli/publish/send.ts';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import type { KafkaCluster } from '../../../host/src/kafka/driver.ts';
import { connectCluster } from '../../../host/src/kafka/index.ts';
import { partitionOf } from '../../../host/src/kafka/produce/partitioner.ts';
import { makeWorkplace, type Outcome, outcomeOf, runCommand, startCommand, type Workplace } from './command-line.ts';

const TOPIC = 'weather.readings';
const PARTITIONS = 6;
const TOPIC_AUTHORIZATION_FAILED = 29;

let place: Workplace;
let broker: Awaited<ReturnType<typeof openEmbeddedBroker>>;
let cluster: KafkaCluster;
before(async () => {
  place = makeWorkplace();
  place.install('pipeline-host-plugin-weather');
  broker = await openEmbeddedBroker({ dataDir: join(place.folder, 'broker') });
  cluster = connectCluster({ name: 'test', brokers: [broker.address], clientId: 'test' }, { debug() {}, info() {}, warn() {}, error() {} });
  await (await cluster.admin()).createTopics([{ name: TOPIC, partitions: PARTITIONS }]);
});
after(async () => {
  await cluster?.close();
  await broker?.close();
  place.remove();
});

const environment = (): Record<string, string> => ({ PIPELINE_HOST__KAFKA__BROKERS: broker.address });
const publish = (file: string, ...flags: readonly string[]): Promise<Outcome> =>
  runCommand(['publish', TOPIC, file, ...flags], { cwd: place.folder, env: environment() });
const reading = (sensor: string): string => `{"sensor":"${sensor}","celsius":1}\n`;
const stored = async (): Promise<number> =>
  (await (await cluster.admin()).offsets(TOPIC)).reduce((sum, { low, high }) => sum + high - low, 0);
/** Sensors by the partition of their readings. */
const sensorOf = (partition: number): string => {
  for (let index = 0; ; index++) if (partitionOf(`s${index}`, PARTITIONS) === partition) return `s${index}`;
};

describe('publish sends what can be read only once', () => {
  it('from /dev/stdin', async () => {
    const before = await stored();
    const { code, stdout, stderr } = await runCommand(['publish', TOPIC, '/dev/stdin'], {
      cwd: place.folder,
      env: environment(),
      input: reading('a') + reading('b'),
    });
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^2 messages sent to weather\.readings\n$/);
    assert.equal(await stored(), before + 2);
  });

  it('from a named pipe', async () => {
    const before = await stored();
    const pipe = join(place.folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const [{ code, stdout, stderr }] = await Promise.all([publish(pipe), writeFile(pipe, reading('a'))]);
    assert.equal(code, 0, stderr);
    assert.match(stdout, /^1 message sent to weather\.readings\n$/);
    assert.equal(await stored(), before + 1);
  });
});

describe('a publish that breaks off', () => {
  it('says how far it came, and goes on from there', async () => {
    const [good, refused] = [sensorOf(0), sensorOf(1)];
    const file = place.write('long.ndjson', `\n${reading(good).repeat(2_000)}${reading(refused).repeat(500)}`);
    const before = await stored();
    broker.faults.push({ api: 'Produce', topic: TOPIC, partition: 1, action: { error: TOPIC_AUTHORIZATION_FAILED }, count: 1_000 });
    const { code, stdout, stderr } = await publish(file, '--json');
    broker.faults.clear();
    assert.equal(code, 3, stderr);
    assert.match(stderr, /^PH_KAFKA_ACL: /m);
    assert.match(
      stderr,
      /^PH_PUBLISH_BROKEN_OFF: 2,000 of 2,500 messages acknowledged, up to line 2001; up to 500 after it may have been stored too\n {2}at .*long\.ndjson\n {2}fix: go on with --from-line 2002$/m,
    );
    assert.deepEqual(JSON.parse(stdout), { topic: TOPIC, valid: 2_500, sent: 2_000, skipped: 0, upToLine: 2_001, unsure: 500, faults: [] });
    assert.equal(await stored(), before + 2_000);

    const rest = await publish(file, '--from-line', '2002');
    assert.match(rest.stdout, /^500 messages sent to weather\.readings\n$/);
    assert.equal(await stored(), before + 2_500);
  });

  it('says so after Ctrl-C too, once the batch on its way is acknowledged', async () => {
    const file = place.write('slow.ndjson', reading('a').repeat(30_000));
    const before = await stored();
    broker.faults.push({ api: 'Produce', topic: TOPIC, action: { delayMs: 1_000 }, count: 1_000 });
    const child = startCommand(['publish', TOPIC, file], { cwd: place.folder, env: environment() });
    const ended = outcomeOf(child);
    while ((await stored()) === before) await pause(20);
    child.kill('SIGINT');
    const { code, stderr } = await ended;
    broker.faults.clear();
    assert.equal(code, 130, stderr);
    const [, acknowledged = '', line] =
      /PH_PUBLISH_BROKEN_OFF: ([\d,]+) of 30,000 messages acknowledged, up to line (\d+); nothing after it was sent/.exec(stderr) ?? [];
    assert.equal(Number(acknowledged.replace(',', '')), (await stored()) - before, stderr);
    assert.equal(line, acknowledged.replace(',', ''));
  });

  it('as soon as the file is another than the one that was checked, of which nothing is sent', async () => {
    const topic = defineTopic('readings', Type.Object({ sensor: Id() }), { key: ({ sensor }) => sensor });
    const file = place.write('growing.ndjson', reading('a').repeat(1_500));
    const lines = await openLines(file);
    const read = lineReader(topic, 1);
    const { fingerprints } = await checkLines(read(lines()));
    await appendFile(file, reading('late'));
    const before = await stored();
    const producer = await cluster.producer();
    const sending = await sendBatches(producer, inBatches(read(lines())), { topic: TOPIC, fingerprints, stopped: () => null });
    assert.equal(sending.end.kind === 'failed' && sending.end.error.code, 'PH_PUBLISH_CHANGED');
    assert.deepEqual([sending.sent, sending.upToLine, sending.unsure], [1_000, 1_000, 0]);
    assert.equal(await stored(), before + 1_000);
  });
});

describe('a refused publish', () => {
  it('explains the first twenty lines and says how many more there are', async () => {
    const { code, stderr } = await publish(place.write('bad.ndjson', `${reading('a')}${'{}\n'.repeat(23)}`));
    assert.equal(code, 2);
    assert.equal(stderr.match(/bad\.ndjson:\d+: PH_MESSAGE_INVALID/g)?.length, 20);
    assert.match(stderr, /bad\.ndjson: and 3 more faulty lines; --json lists all\n/);
    assert.match(stderr, /PH_PUBLISH_INVALID: 23 of 24 lines are no messages of weather\.readings; nothing was sent\n/);
    assert.equal(stderr.match(/nothing was sent/g)?.length, 1);
  });

  it('of a dry run ends with 2, also with --json', async () => {
    const { code, stdout } = await publish(place.write('bad.ndjson', '{}\n'), '--dry-run', '--json');
    assert.equal(code, 2);
    assert.equal((JSON.parse(stdout) as { readonly skipped: number }).skipped, 1);
  });
});
