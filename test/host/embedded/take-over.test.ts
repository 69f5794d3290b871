import assert from 'node:assert/strict';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { listGroupsApi } from '../../../host/src/embedded/api/group-admin.ts';
import { FaultQueue } from '../../../host/src/embedded/faults.ts';
import { type EmbeddedBroker, type EmbeddedBrokerOptions, openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { raiseFence } from '../../../host/src/embedded/ownership/fence.ts';
import { tryLockFolder } from '../../../host/src/embedded/ownership/folder-lock.ts';
import { CLOSE_CONNECTION } from '../../../host/src/embedded/server/call.ts';
import { Router, route } from '../../../host/src/embedded/server/router.ts';
import { WireWriter } from '../../../host/src/embedded/wire/writer.ts';
import { connectCluster } from '../../../host/src/kafka/cluster.ts';
import type { KafkaCluster } from '../../../host/src/kafka/driver.ts';
import { join as joinGroup, silent } from '../kafka/contract-kit.ts';
import { connectKafka, eventually, startBroker, temporaryFolder } from './broker-fixture.ts';
import { type ChildBroker, openInChild } from './child-broker.ts';

/** An owner in a process of its own, this process as the one that found it, and our client, which asks this process for the address. */
interface Shared {
  readonly dataDir: string;
  readonly owner: ChildBroker;
  readonly guest: EmbeddedBroker;
  readonly cluster: KafkaCluster;
  /** What the guest's broker logged: level and message. */
  readonly logged: readonly string[];
}

async function share(t: TestContext, owners: Partial<EmbeddedBrokerOptions> = {}): Promise<Shared> {
  const dataDir = await temporaryFolder();
  const owner = await openInChild({ ...owners, dataDir });
  const logged: string[] = [];
  const guest = await openEmbeddedBroker({ dataDir, log: (level, message) => logged.push(`${level} ${message}`) });
  const cluster = connectCluster(
    {
      ...{ name: 'test', clientId: 'test' },
      get brokers() {
        return [guest.address];
      },
    },
    silent,
  );
  t.after(async () => {
    await cluster.close();
    await guest.close();
    await owner.stop('SIGKILL');
  });
  assert.deepEqual([owner.owner, guest.owner], [true, false]);
  return { dataDir, owner, guest, cluster, logged };
}

async function valuesOf(cluster: KafkaCluster, topic: string): Promise<readonly string[]> {
  return (await cluster.read({ topic })).map(({ value }) => String(value));
}

const texts = (from: number, to: number): readonly string[] => Array.from({ length: to - from }, (_, i) => String(from + i));

describe('the broker of a data folder when its owner goes', () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    it(`is taken over with data and port after ${signal}, and producer, consumer and admin go on by themselves`, async (t) => {
      const { owner, guest, cluster } = await share(t);
      const admin = await cluster.admin();
      const producer = await cluster.producer();
      await admin.createTopics([{ name: 't', partitions: 1 }]);
      const member = await joinGroup(cluster, { group: 'g', topics: ['t'] });
      const acknowledged: string[] = [];
      let stop = false;
      const sending = (async () => {
        for (let n = 0; !stop; n++) {
          await producer.send({ topic: 't', key: null, value: String(n) });
          acknowledged.push(String(n));
        }
      })();
      await eventually('records are there', () => member.records.length > 200, 30_000);
      await owner.stop(signal);
      await eventually('this process is the owner', () => guest.owner, 30_000);
      assert.equal(guest.address, owner.address);
      assert.equal(guest.clusterId, owner.clusterId);
      const before = acknowledged.length;
      await eventually('more is acknowledged', () => acknowledged.length > before + 200, 30_000);
      stop = true;
      await sending;
      assert.deepEqual(await valuesOf(cluster, 't'), acknowledged);
      await eventually('the consumer has the last', () => member.records.at(-1)?.offset === acknowledged.length - 1, 30_000);
      assert.equal((await admin.offsets('t'))[0]?.high, acknowledged.length);
      assert.deepEqual(member.violations, []);
      await member.consumer.close();
    });
  }

  it('is served at another address where the port is taken, and clients that were connected find it', async (t) => {
    const { dataDir, owner, guest, cluster } = await share(t);
    const squatter = createServer().listen(0, '127.0.0.1');
    t.after(() => squatter.close());
    await new Promise((resolve) => squatter.once('listening', resolve));
    const admin = await cluster.admin();
    const producer = await cluster.producer();
    await admin.createTopics([{ name: 't', partitions: 1 }]);
    const member = await joinGroup(cluster, { group: 'g', topics: ['t'] });
    await producer.send({ topic: 't', key: null, value: '0' });

    const file = join(dataDir, 'endpoint.json');
    const endpoint = JSON.parse(await readFile(file, 'utf8')) as object;
    await writeFile(file, JSON.stringify({ ...endpoint, port: (squatter.address() as AddressInfo).port }));
    await owner.stop('SIGKILL');
    await eventually('this process is the owner', () => guest.owner, 30_000);
    assert.notEqual(guest.address, owner.address);
    await producer.send({ topic: 't', key: null, value: '1' });
    assert.deepEqual(await valuesOf(cluster, 't'), ['0', '1']);
    assert.equal((await admin.offsets('t'))[0]?.high, 2);
    await eventually('the consumer has both', () => member.records.at(-1)?.offset === 1, 30_000);
    await member.consumer.close();
  });

  it('has one owner of several that could, and the others learn its address', async (t) => {
    const { dataDir, owner, guest } = await share(t);
    const others = await Promise.all(Array.from({ length: 4 }, () => openEmbeddedBroker({ dataDir })));
    t.after(() => Promise.all(others.map((other) => other.close())));
    let all = [guest, ...others];
    await owner.stop('SIGKILL');
    while (all.length > 0) {
      await eventually('one of them is the owner', () => all.some((each) => each.owner), 30_000);
      const owners = all.filter((each) => each.owner);
      assert.equal(owners.length, 1);
      await eventually('all have its address', () => new Set(all.map(({ address }) => address)).size === 1);
      await owners[0]?.close();
      all = all.filter((each) => !owners.includes(each));
    }
  });

  it('goes on in the way that it was run', async (t) => {
    const { owner, guest, cluster } = await share(t, { profile: 'eventhubs', topics: { made: 2 } });
    await owner.stop('SIGKILL');
    await eventually('this process is the owner', () => guest.owner, 30_000);
    const admin = await cluster.admin();
    assert.deepEqual(await admin.listTopics(), ['made']);
    await assert.rejects(admin.createTopics([{ name: 'mine', partitions: 1 }]), { code: 'PH_KAFKA_ACL' });
  });

  it('is not made anew where its data is gone', async (t) => {
    const { dataDir, owner, guest, logged } = await share(t);
    for (const name of await readdir(dataDir)) await rm(join(dataDir, name), { recursive: true });
    await owner.stop('SIGKILL');
    await eventually('the loss is reported', () => logged.some((line) => /^error .*no longer holds the cluster/.test(line)), 30_000);
    assert.equal(guest.owner, false);
  });
});

describe('an owner whose mark another one has replaced', () => {
  it('stores nothing from that moment on', async (t) => {
    const { broker, dataDir, admin, kafka } = await startBroker(t);
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 1 }] });
    const producer = kafka.producer({ retry: { retries: 0 } });
    t.after(() => producer.disconnect());
    await producer.connect();
    await producer.send({ topic: 't', messages: [{ value: 'before' }] });
    const log = join(dataDir, 'topics/t/0/00000000000000000000.log');
    const stored = await readFile(log);
    await rm(join(dataDir, 'broker.lock'));
    const lock = await tryLockFolder(dataDir);
    t.after(() => lock?.release());
    raiseFence(dataDir);
    await assert.rejects(producer.send({ topic: 't', messages: [{ value: 'after' }] }));
    assert.deepEqual(await readFile(log), stored);
    await eventually('it is no owner any more', () => !broker.owner);
    await broker.close();
    assert.equal((await readdir(dataDir)).includes('clean-shutdown'), false, 'the next owner must look through what it finds');
  });

  it('acknowledges nothing that it was doing in that moment', async () => {
    let isOwner = true;
    const list = route(listGroupsApi, () => {
      isOwner = false;
      return { groups: [] };
    });
    const frame = Buffer.concat([...new WireWriter().int16(list.key).int16(0).int32(1).string('client').frame()]).subarray(4);
    const peer = {
      clientHost: '',
      localHost: '',
      localPort: 0,
      closed: new AbortController().signal,
      authenticated: true,
      saslMechanism: undefined,
    };
    const answer = await new Router([list], new FaultQueue(), () => isOwner).answer(frame, peer);
    assert.equal(answer, CLOSE_CONNECTION);
  });
});

describe('an owner that stood still', () => {
  it('keeps the folder meanwhile, for it would write when it wakes, and goes on as the owner', async (t) => {
    const { owner, guest, cluster, dataDir } = await share(t);
    const admin = await cluster.admin();
    await admin.createTopics([{ name: 't', partitions: 1 }]);
    const producer = await cluster.producer();
    await producer.send({ topic: 't', key: null, value: '0' });
    owner.child.kill('SIGSTOP');
    const sending = producer.send({ topic: 't', key: null, value: '1' });
    // Several times as long as a take-over takes to begin.
    for (const end = Date.now() + 2_000; Date.now() < end; await delay(50)) assert.equal(guest.owner, false);
    owner.child.kill('SIGCONT');
    await sending;
    assert.deepEqual(await valuesOf(cluster, 't'), ['0', '1']);
    assert.equal(guest.owner, false);
    const late = await openEmbeddedBroker({ dataDir });
    assert.deepEqual([late.owner, late.address], [false, owner.address]);
    await late.close();
  });

  it('notices that the folder was taken meanwhile: it stores and acknowledges nothing any more and stops serving', async (t) => {
    const { owner, guest, cluster, dataDir } = await share(t);
    const kafka = connectKafka(owner.address);
    const [admin, old] = [kafka.admin(), kafka.producer({ retry: { retries: 0 } })];
    t.after(() => Promise.all([admin.disconnect(), old.disconnect()]));
    await Promise.all([admin.connect(), old.connect()]);
    await admin.createTopics({ topics: [{ topic: 't', numPartitions: 1 }] });
    await old.send({ topic: 't', messages: [{ value: '0' }] });

    owner.child.kill('SIGSTOP');
    // It lies ready for the owner when it wakes.
    const refused = assert.rejects(old.send({ topic: 't', messages: [{ value: 'too late' }] }));
    // What makes the system forget a lock: its file is another one now.
    await rm(join(dataDir, 'broker.lock'));
    await eventually('this process is the owner', () => guest.owner, 30_000);
    assert.notEqual(guest.address, owner.address, 'the process that stands still keeps its port');
    const producer = await cluster.producer();
    for (const value of texts(1, 50)) await producer.send({ topic: 't', key: null, value });

    owner.child.kill('SIGCONT');
    await refused;
    const stranger = connectKafka(owner.address, { retry: { retries: 0 } }).admin();
    await eventually('the former owner serves nobody', () =>
      stranger.connect().then(
        () => stranger.disconnect().then(() => false),
        () => true,
      ),
    );
    for (const value of texts(50, 100)) await producer.send({ topic: 't', key: null, value });
    assert.deepEqual(await valuesOf(cluster, 't'), texts(0, 100));
    assert.equal(guest.owner, true);

    await cluster.close();
    await owner.stop('SIGKILL');
    await guest.close();
    const complaints: string[] = [];
    const again = await openEmbeddedBroker({ dataDir, log: (level, message) => level !== 'info' && complaints.push(message) });
    const reader = connectCluster({ name: 'test', brokers: [again.address], clientId: 'test' }, silent);
    assert.deepEqual(await valuesOf(reader, 't'), texts(0, 100));
    assert.deepEqual(complaints, []);
    await reader.close();
    await again.close();
  });
});
