import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import kafkajs, { type Admin } from 'kafkajs';
import { until } from '../host/kafka/contract-kit.ts';
import { type ApacheKafka, apacheKafkaMissing, startApacheKafka } from './apache-kafka.ts';
import { numbers, openRelayWorld, type RelayWorld } from './relay-world.ts';
import { keepSending, type SteadyWork, settles } from './steady-work.ts';

const PARTITIONS = 6;
const WORKERS = ['relay', 'recorder', 'keeper'];
const OFFSETS_TOPIC = '__consumer_offsets';
/** How long work may stand still before the test gives up. What is hoped for is far less, and printed. */
const DEADLINE = 60_000;

/** Who leads what, and coordinates the group of `relay`. */
interface Roles {
  /** Node by partition of the source topic. */
  readonly leaders: ReadonlyMap<number, number>;
  readonly coordinator: number;
}

interface Place {
  readonly partition: number;
  readonly offset: number;
}

const nameOf = ({ partition, offset }: Place): string => `${partition}/${offset}`;

/** The partition of the offsets topic that keeps a group: Java's String.hashCode without its sign. */
function offsetsPartition(group: string, partitions: number): number {
  let hash = 0;
  for (let i = 0; i < group.length; i++) hash = (Math.imul(hash, 31) + group.charCodeAt(i)) | 0;
  return (hash & 0x7fffffff) % partitions;
}

async function partitionsOf(admin: Admin, topic: string): Promise<kafkajs.PartitionMetadata[]> {
  const { topics } = await admin.fetchTopicMetadata({ topics: [topic] });
  return topics.flatMap(({ partitions }) => partitions);
}

async function rolesOf(world: RelayWorld, admin: Admin): Promise<Roles> {
  const source = await partitionsOf(admin, world.source);
  const offsets = await partitionsOf(admin, OFFSETS_TOPIC);
  const kept = offsetsPartition(world.worker('relay').group, offsets.length);
  const coordinator = offsets.find(({ partitionId }) => partitionId === kept)?.leader;
  assert.ok(coordinator !== undefined);
  return { leaders: new Map(source.map(({ partitionId, leader }) => [partitionId, leader])), coordinator };
}

/** Places of the source topic that the group has stored as settled. */
async function settledPlaces(world: RelayWorld): Promise<ReadonlySet<string>> {
  const settled = new Set<string>();
  for (let partition = 0; partition < PARTITIONS; partition++) {
    const { committed, ahead } = await world.stored(world.source, partition);
    for (let offset = 0; offset < committed; offset++) settled.add(nameOf({ partition, offset }));
    for (const offset of ahead) settled.add(nameOf({ partition, offset }));
  }
  return settled;
}

/** Longest time, from the kill on, that no record was begun on the partitions. */
function longestSilence(world: RelayWorld, from: number, partitions: ReadonlySet<number>): number {
  const times = world
    .journal()
    .filter(({ step, topic, partition, at }) => step === 'start' && topic === world.source && partitions.has(partition) && at > from)
    .map(({ at }) => at)
    .sort((left, right) => left - right);
  return times.reduce((longest, at, i) => Math.max(longest, at - (times[i - 1] ?? from)), 0);
}

/** Every message stands once in the source, was relayed, and has one row in each table. */
async function assertNothingLost(world: RelayWorld, sent: number): Promise<void> {
  await world.untilThrough({ timeout: 90_000 });
  const records = await (await world.cluster('default')).read({ topic: world.source });
  const messages = records.map(({ value }) => (JSON.parse(String(value)) as { readonly n: number }).n);
  assert.deepEqual(
    messages.sort((left, right) => left - right),
    numbers(sent),
  );
  const rows = await world.results().rows('relay_log', ['place']);
  assert.deepEqual(
    rows.map(({ place }) => String(place)).sort(),
    records.map(({ partition, offset }) => nameOf({ partition, offset: Number(offset) })).sort(),
  );
  assert.deepEqual(await world.numbersIn('relay_latest'), numbers(sent));
  assert.deepEqual([...new Set(await world.relayed())], numbers(sent));
  assert.deepEqual(await world.deadLetters(), []);
}

describe('a cluster of three brokers', { skip: apacheKafkaMissing() ?? false }, () => {
  let kafka: ApacheKafka;
  let admin: Admin;
  before(async () => {
    kafka = await startApacheKafka({ nodes: 3, heap: '256m' });
    admin = new kafkajs.Kafka({ brokers: [...kafka.brokers], logLevel: kafkajs.logLevel.NOTHING }).admin();
    await admin.connect();
  });
  after(async () => {
    await admin.disconnect();
    await kafka.stop();
  });

  /** Runs work, kills the chosen node in the middle of it, and waits until records of each of the partitions were handled that were sent later. */
  async function survive(what: string, choose: (roles: Roles) => { readonly victim: number; readonly partitions: ReadonlySet<number> }) {
    await using world = await openRelayWorld({ brokers: kafka.brokers, partitions: PARTITIONS });
    const hosts = [await world.spawn(WORKERS), await world.spawn(WORKERS)];
    const work: SteadyWork = keepSending(world);
    await settles(world, 100);
    const { victim, partitions } = choose(await rolesOf(world, admin));
    const settled = await settledPlaces(world);
    assert.ok(settled.size >= 100);

    const sentBefore = work.sent;
    const killedAt = Date.now();
    await kafka.kill(victim);
    await until(
      'later records of all partitions to be handled',
      () => {
        const later = world.journal().filter(({ step, at, n }) => step === 'end' && at > killedAt && n >= sentBefore);
        return [...partitions].every((partition) => later.some((step) => step.partition === partition));
      },
      DEADLINE,
    );
    await settles(world, 100);
    const silence = longestSilence(world, killedAt, partitions);
    await kafka.up(victim);
    await settles(world, 100);
    await work.end();
    await assertNothingLost(world, work.sent);

    const steps = world.journal().filter(({ step, topic }) => step === 'start' && topic === world.source);
    const again = steps.filter((step) => step.at > killedAt && settled.has(nameOf(step)));
    assert.deepEqual(again, [], 'a record that was settled and stored before the kill was handled again');
    const repeated = steps.length - new Set(steps.map(nameOf)).size;
    console.log(
      `  ${what}: goes on ${(silence / 1000).toFixed(1)} s after the kill; ${repeated} of ${work.sent} records were handled again`,
    );
    for (const host of hosts) assert.equal(await host.kill('SIGTERM'), 0, host.output());
    await untilInSync();
  }

  /** The next kill must not meet a partition with one replica. */
  async function untilInSync(): Promise<void> {
    await until(
      'all replicas to be in sync',
      async () => {
        const { topics } = await admin.fetchTopicMetadata();
        return topics.every(({ partitions }) => partitions.every(({ isr, replicas }) => isr.length === replicas.length));
      },
      DEADLINE,
    );
  }

  it('loses nothing and repeats nothing that was stored as settled when the leader of source partitions is killed', async () => {
    await survive('leader', ({ leaders, coordinator }) => {
      const victim = [...leaders.values()].find((leader) => leader !== coordinator);
      assert.ok(victim !== undefined);
      return { victim, partitions: new Set([...leaders].filter(([, leader]) => leader === victim).map(([partition]) => partition)) };
    });
  });

  it('loses nothing and repeats nothing that was stored as settled when the coordinator of the group is killed', async () => {
    await survive('coordinator', ({ leaders, coordinator }) => ({ victim: coordinator, partitions: new Set(leaders.keys()) }));
  });
});
