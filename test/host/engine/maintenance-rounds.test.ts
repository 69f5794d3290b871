import assert from 'node:assert/strict';
import { utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { MaintenanceRounds, type RoundOptions } from '../../../host/src/engine/maintenance/maintenance-round.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { createMetrics } from '../../../host/src/observability/metrics.ts';
import { block, column, type Lake, openLake } from '../delta/delta-fixture.ts';

const WEEKS = 40 * 24 * 3_600_000;

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

function rounds(changes: Partial<RoundOptions> = {}): MaintenanceRounds {
  const metrics = createMetrics();
  metrics.close();
  return new MaintenanceRounds({
    plugin: 'p',
    engine: lake.engine,
    store: lake.store,
    settings: { smallFiles: 4, rule: {} },
    vacuumInterval: 3_600_000,
    retentionOf: async () => Number.POSITIVE_INFINITY,
    log: createLogger({ level: 'silent' }),
    metrics,
    ...changes,
  });
}

const COLUMNS = [column('id', 'long')];
const signal = new AbortController().signal;

async function append(name: string, commits: number): Promise<void> {
  const table = await lake.open(name);
  for (let at = 0; at < commits; at += 1) await table.append(block([{ id: at }]));
  await table.close();
}

async function plantOrphan(name: string, file: string): Promise<void> {
  const path = join(lake.folder, 'tables', name, file);
  await writeFile(path, 'x');
  const old = new Date(Date.now() - WEEKS);
  await utimes(path, old, old);
}

test('a round puts together what is small enough, and vacuums now and then', async () => {
  await lake.create('rounds', COLUMNS);
  await append('rounds', 3);
  await plantOrphan('rounds', 'a.parquet');
  const maintenance = rounds();
  await maintenance.run(['rounds', 'not-there-yet'], signal);
  const did = () => maintenance.tables.map(({ table, did, alerts }) => ({ table, did, alerts }));
  assert.deepEqual(did(), [{ table: 'rounds', did: ['vacuum: files deleted: 1, bytes: 1'], alerts: [] }]);
  await append('rounds', 1);
  await plantOrphan('rounds', 'b.parquet');
  await maintenance.run(['rounds'], signal);
  assert.deepEqual(did(), [{ table: 'rounds', did: ['optimize: files: 4 became 1, deletion vectors purged: 0, version: 5'], alerts: [] }]);
  const impatient = rounds({ vacuumInterval: 0 });
  await impatient.run(['rounds'], signal);
  assert.deepEqual(impatient.tables[0]?.did, ['vacuum: files deleted: 1, bytes: 1']);
});

test('a large file with many deleted rows is written anew though it is alone', async () => {
  const table = await lake.create('deleted', COLUMNS, { deletionVectors: true });
  await table.append(block(Array.from({ length: 100 }, (_, id) => ({ id }))));
  await table.merge(block(Array.from({ length: 30 }, (_, id) => ({ id }))), { key: ['id'] });
  await rounds({ settings: { smallFiles: 4, rule: { smallBytes: 1 } } }).run(['deleted'], signal);
  const again = await lake.open('deleted');
  assert.deepEqual([await again.count(), again.planOptimize({ smallBytes: 1 }).files, again.version], [100, 0, 3]);
});

test('a checkpoint that no writer made is written, and the log is cut where it is old', async () => {
  await lake.create('cut', COLUMNS, {
    properties: { 'delta.checkpointInterval': '1000', 'delta.logRetentionDuration': 'interval 30 days' },
  });
  await append('cut', 6);
  const [first = ''] = (await lake.text('cut/_delta_log/00000000000000000000.json'))
    .split('\n')
    .filter((line) => line.includes('metaData'));
  const configured = first.replace('"delta.checkpointInterval":"1000"', '"delta.checkpointInterval":"3"');
  await lake.write('cut/_delta_log/00000000000000000007.json', `${configured}\n`);
  const maintenance = rounds({ settings: { smallFiles: 100, rule: {} } });
  await maintenance.run(['cut'], signal);
  assert.deepEqual(maintenance.tables[0]?.did, ['checkpoint: version: 7']);
  const old = new Date(Date.now() - WEEKS);
  for (const { path } of await lake.store.list('cut/_delta_log')) await utimes(join(lake.folder, 'tables', path), old, old);
  await maintenance.run(['cut'], signal);
  assert.deepEqual(maintenance.tables[0]?.did, ['clean-log: files deleted: 7, oldest version: 7']);
  assert.equal(await (await lake.open('cut')).count(), 6);
});

test('a round ends at once when it is told to, without touching another table', async () => {
  const abort = new AbortController();
  for (const name of ['first', 'second']) {
    await lake.create(name, COLUMNS);
    await append(name, 5);
  }
  const maintenance = rounds({
    retentionOf: async () => 1,
    metrics: { ...createMetrics(), tableMaintained: () => abort.abort() },
  });
  await maintenance.run(['first', 'second'], abort.signal);
  assert.deepEqual([(await lake.open('first')).version, (await lake.open('second')).version], [6, 5]);
});
