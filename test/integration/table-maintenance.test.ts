import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { block, column } from '../host/delta/delta-fixture.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld, type RelayWorld } from './relay-world.ts';

const MAINTENANCE = { interval: '200ms', smallFiles: 3 };
const TABLES = ['relay_log', 'relay_latest'] as const;

/** Tables of five small files, where the plugin's writers would have made them. */
async function writeSmallFiles({ folder }: RelayWorld): Promise<void> {
  await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'test-tmp') });
  for (const name of TABLES) {
    const table = await DeltaTable.open(engine, openLocalStore(join(folder, 'tables')), name, {
      create: {
        name,
        columns: [column('n', 'long')],
        partitionBy: [],
        properties: { 'delta.setTransactionRetentionDuration': 'interval 1 hour' },
      },
    });
    for (let n = 0; n < 5; n += 1) await table.append(block([{ n }]));
    await table.close();
  }
}

async function summaryOf({ folder }: RelayWorld, name: string): Promise<{ readonly rows: number | null; readonly files: number }> {
  await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'test-tmp') });
  const { rows, files } = (await DeltaTable.open(engine, openLocalStore(join(folder, 'tables')), name)).summary();
  return { rows, files };
}

function maintained(host: RunningHost) {
  const unit = host.status().units.find(({ worker }) => worker === 'table-maintenance');
  assert.ok(unit);
  return { ...unit, tables: unit.tables ?? [] };
}

describe('the worker table-maintenance', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('puts small files together in one process at a time, and in another one when that stops', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, config: { delta: { maintenance: MAINTENANCE } } });
    await writeSmallFiles(world);
    const hosts = [await world.start({ workers: ['table-maintenance'] }), await world.start({ workers: ['table-maintenance'] })] as const;
    const sumOfPartitions = () => hosts.reduce((sum, host) => sum + maintained(host).partitions, 0);
    await until('both to be members', () => hosts.every((host) => maintained(host).partitions > 0) && sumOfPartitions() === 4);
    /** When each table had its last round. */
    const rounds = (host: RunningHost) => maintained(host).tables.map(({ at }) => at);
    const before = new Map(hosts.map((host) => [host, rounds(host)]));
    const isAtWork = (host: RunningHost): boolean => rounds(host).length > 0 && rounds(host).join() !== before.get(host)?.join();
    let seen = '';
    for (let round = 0; round < 3; round += 1) {
      await until('a round', () => hosts.some((host) => isAtWork(host) && rounds(host).join() !== seen));
      seen = hosts.filter(isAtWork).map(rounds).join();
    }
    const [owner, ...more] = hosts.filter(isAtWork);
    const standby = hosts.find((host) => host !== owner);
    assert.ok(owner && standby && more.length === 0, 'one of them and no other');
    for (const name of TABLES) assert.deepEqual(await summaryOf(world, name), { rows: 5, files: 1 });
    await owner.stop();
    await writeSmallFiles(world);
    await until('the other one to take over', async () => (await summaryOf(world, 'relay_latest')).files === 1);
    assert.deepEqual(await summaryOf(world, 'relay_log'), { rows: 10, files: 1 });
    const body = await (await fetch(`${standby.url}/metrics`)).text();
    assert.match(body, /pipeline_host_table_maintenance_total\{plugin="relay",table="relay_log",action="optimize",outcome="done"\} \d/);
    assert.match(body, /pipeline_host_table_maintenance_files_total\{plugin="relay",table="relay_log",action="optimize"\} \d/);
  });

  it('goes on with the other tables where one is damaged, and names it', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, config: { delta: { maintenance: MAINTENANCE } } });
    await writeSmallFiles(world);
    await openLocalStore(join(world.folder, 'tables')).delete('relay_log/_delta_log/00000000000000000002.json');
    const host = await world.start({ workers: ['relay', 'table-maintenance'] });
    await until('both tables to have had their turn', () => maintained(host).tables.length === TABLES.length);
    assert.deepEqual(await summaryOf(world, 'relay_latest'), { rows: 5, files: 1 });
    const codes = new Map(maintained(host).tables.map(({ table, alerts }) => [table, alerts.map(({ code }) => code)]));
    assert.deepEqual(codes.get('relay_log'), ['PH_DELTA_LOG_DAMAGED']);
    assert.deepEqual(codes.get('relay_latest'), ['PH_DELTA_TXN_RETENTION'], 'other engines would forget its offsets before its topic');
    const body = await (await fetch(`${host.url}/metrics`)).text();
    assert.match(body, /pipeline_host_unit_alert\{[^}]*worker="table-maintenance"[^}]*code="PH_DELTA_LOG_DAMAGED"\} 1/);
  });
});
