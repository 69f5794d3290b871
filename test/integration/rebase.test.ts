import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { planRebase, rebase } from '../../host/src/engine/tables/rebase.ts';
import { WriterOffsets } from '../../host/src/engine/tables/writer-offsets.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import { type Outcome, runCommand } from '../host/cli/command-line.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openTestBroker, type TestBroker } from './brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from './relay-world.ts';

const RECORDS = 40;

const twice = (values: readonly number[]): readonly number[] => values.flatMap((n) => [n, n]);

describe('tables rebase', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  const rebaseBy = (world: RelayWorld, ...args: readonly string[]): Promise<Outcome> =>
    runCommand(['tables', 'rebase', ...args, '--plugin', 'relay', '--config', join(world.folder, 'pipeline-host.config.json')], {
      cwd: world.folder,
    });
  const send = (world: RelayWorld, count: number): Promise<void> => world.send(numbers(count).map((n) => ({ key: `key ${n}`, n })));

  it('lets a writer that is stopped write its records again, into an append table only by an explicit word', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers });
    const host = await world.start();
    await send(world, RECORDS);
    await world.untilThrough();

    const running = await rebaseBy(world, 'relay_latest', '--start', 'earliest');
    assert.equal(running.code, 1, running.stderr);
    assert.match(running.stderr, /PH_KAFKA_REQUEST[\s\S]*running members[\s\S]*stop every worker/);
    await host.stop();

    const refused = await rebaseBy(world, 'relay_log', '--start', 'earliest');
    assert.equal(refused.code, 2, refused.stderr);
    assert.match(refused.stderr, /PH_DELTA_DUPLICATES[\s\S]*40 records would be appended to relay_log again[\s\S]*--allow-duplicates/);
    const tried = await rebaseBy(world, 'relay_log', '--start', 'earliest', '--dry-run');
    assert.match(tried.stdout, /generation 1 of relay\.recorder would become 2[\s\S]*40 records at offsets that the table holds/);
    const nothing = await rebaseBy(world, 'relay_log', '--dry-run', '--json');
    const plan = JSON.parse(nothing.stdout) as { again: number; partitions: readonly { topic: string; start: number; high: number }[] };
    assert.deepEqual([plan.again, plan.partitions.some(({ start, high }) => start !== high)], [0, false]);
    assert.equal(await world.committed('recorder'), RECORDS, 'what was refused and tried changed nothing');

    for (const args of [
      ['relay_log', '--start', 'earliest', '--allow-duplicates'],
      ['relay_latest', '--start', 'earliest'],
    ]) {
      const done = await rebaseBy(world, ...args);
      assert.equal(done.code, 0, done.stderr);
      assert.match(done.stdout, /: generation 2 of relay\.(recorder|keeper)/);
    }
    assert.equal(await world.committed('recorder'), 0);
    await world.start({ workers: ['recorder', 'keeper'] });
    await world.untilThrough({ workers: ['recorder', 'keeper'] });
    assert.deepEqual(await world.numbersIn('relay_log'), twice(numbers(RECORDS)));
    assert.deepEqual(await world.numbersIn('relay_latest'), numbers(RECORDS));
    assert.deepEqual(await world.numbersIn('relay_once'), numbers(RECORDS), 'the other table of the writer knows its offsets as before');
  });

  it('takes up a topic that was made anew, to which the error of its writer leads', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const host = await world.start({ workers: ['recorder'] });
    await send(world, RECORDS);
    await world.untilThrough({ workers: ['recorder'] });
    await host.stop();
    const admin = await world.admin();
    await admin.deleteTopics([world.source]);
    await until('the topic to be gone', async () => (await admin.describeTopics([world.source])).get(world.source) === null);
    await admin.createTopics([{ name: world.source, partitions: 1 }]);
    await send(world, 10);

    const stopped = await world.start({ workers: ['recorder'], log: createLogger({ level: 'silent' }) });
    await assert.rejects(stopped.finished, (error: { code?: string; hint?: string }) => {
      assert.equal(error.code, 'PH_DELTA_OFFSETS_FOREIGN');
      assert.match(String(error.hint), /tables rebase NAME/);
      return true;
    });
    await stopped.stop();
    const done = await rebaseBy(world, 'relay_log');
    assert.equal(done.code, 0, done.stderr);
    assert.match(done.stdout, /39 \(of another topic\)[\s\S]*no record at an offset that the table holds is written again/);
    await world.start({ workers: ['recorder'] });
    await until('the new records to be written', async () => (await world.committed('recorder')) === 10, 60_000);
    const all = [...numbers(RECORDS), ...numbers(10)].sort((a, b) => a - b);
    assert.deepEqual(await world.numbersIn('relay_log'), all);
  });

  it('changes nothing where the writer commits between the look at its offsets and the new generation', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const host = await world.start({ workers: ['recorder'] });
    await send(world, RECORDS);
    await world.untilThrough({ workers: ['recorder'] });
    await host.stop();
    await using engine = await openDeltaEngine({ tempDirectory: join(world.folder, 'test-tmp') });
    const open = () => DeltaTable.open(engine, openLocalStore(join(world.folder, 'tables')), 'relay_log');
    const [table, other] = [await open(), await open()];
    const worker = world.worker('recorder');
    const { consumes } = worker;
    assert.ok(consumes);
    const admin = await world.admin();
    const target = { table, name: 'relay_log', worker: { ...worker, consumes }, admins: { source: admin, retry: admin } };
    const plan = await planRebase(target);
    const offsets = new WriterOffsets(await admin.clusterId(), worker);
    const late = { appId: offsets.appId(other, consumes.topic, 0), version: BigInt(RECORDS) };
    await other.append({ ndjson: Buffer.alloc(0), rows: 0 }, { txns: [late] });
    await assert.rejects(rebase(target, plan, { duplicates: false }), { code: 'PH_DELTA_REBASE_CONFLICT' });
    assert.equal(offsets.generation(table), 1n);
    await rebase(target, await planRebase(target), { duplicates: true });
    assert.equal(offsets.generation(table), 2n);
  });

  it('says which workers write the table, and which tables there are', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers });
    const stranger = await rebaseBy(world, 'relay_log', '--worker', 'keeper');
    assert.equal(stranger.code, 2);
    assert.match(stranger.stderr, /PH_CLI_ARGUMENT[\s\S]*no worker "keeper" writes relay_log[\s\S]*--worker recorder/);
    assert.match((await rebaseBy(world, 'relay_lgo')).stderr, /PH_TABLE_UNKNOWN[\s\S]*did you mean "relay_log"/);
    assert.match((await rebaseBy(world, 'relay_log', '--start', 'soon')).stderr, /earliest, latest or an ISO time/);
    assert.match((await rebaseBy(world, 'relay_log')).stderr, /PH_DELTA_ABSENT/);
  });
});
