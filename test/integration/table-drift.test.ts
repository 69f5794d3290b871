import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { type DeltaColumn, DeltaTable, openDeltaEngine } from '../../host/src/delta/index.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import { openLocalStore } from '../../host/src/storage/index.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { coded, column } from '../host/delta/delta-fixture.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openTestBroker, type TestBroker } from './brokers.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

const STOCK = fileURLToPath(new URL('./fixtures/stock', import.meta.url));
const LOG = [column('item'), column('at', 'timestamp'), column('amount', 'long')];

interface Count {
  readonly item: string;
  readonly minute: number;
  readonly amount: number;
  readonly note?: string;
}

const at = (minute: number) => `2026-01-05T10:${String(minute).padStart(2, '0')}:00Z`;

function openStock(broker: TestBroker, tables: object = {}): Promise<Pipeline> {
  return openPipeline({
    brokers: broker.brokers,
    plugin: 'stock',
    root: STOCK,
    settings: { prefix: unique('stock'), tables },
    config: { kafka: { partitions: 1 } },
  });
}

async function send(world: Pipeline, counts: readonly Count[]): Promise<void> {
  const topic = world.worker('keeper').consumes?.topic ?? '';
  const producer = await world.producer();
  await producer.sendAll(
    counts.map(({ minute, ...count }) => ({ topic, key: count.item, value: JSON.stringify({ ...count, at: at(minute) }) })),
  );
}

/** The table as another program opens it, which adds the columns that it lacks; by none as it is. */
async function openTable<T>(
  { folder }: Pipeline,
  name: string,
  columns: readonly DeltaColumn[],
  use: (table: DeltaTable) => Promise<T>,
): Promise<T> {
  await using engine = await openDeltaEngine({ tempDirectory: join(folder, 'test-tmp') });
  const options = columns.length === 0 ? {} : { create: { name, columns, partitionBy: [] }, addColumns: true };
  const table = await DeltaTable.open(engine, openLocalStore(join(folder, 'tables')), name, options);
  const result = await use(table);
  await table.close();
  return result;
}

const rowsOf = (world: Pipeline, name: string) =>
  openTable(world, name, [], async (table) => (await table.readRows()).toSorted((a, b) => Number(a['amount']) - Number(b['amount'])));

/** Another program's commit, which makes a column of a table one that must not be null, or again one that may. */
async function setRequired(world: Pipeline, name: string, required: boolean): Promise<void> {
  const store = openLocalStore(join(world.folder, 'tables'));
  const { version, metaData } = await openTable(world, name, [], async (table) => {
    const { schema, properties } = table.summary();
    const fields = schema.map((field) => (field.name === 'theirs' ? { ...field, nullable: !required } : field));
    const format = { provider: 'parquet', options: {} };
    const schemaString = JSON.stringify({ type: 'struct', fields });
    return { version: table.version, metaData: { id: name, format, schemaString, partitionColumns: [], configuration: properties } };
  });
  const path = `${name}/_delta_log/${String(version + 1).padStart(20, '0')}.json`;
  assert.equal(await store.putIfAbsent(path, Buffer.from(`${JSON.stringify({ metaData })}\n`)), 'created');
}

const keeper = (host: RunningHost) => host.status().units.find(({ worker }) => worker === 'keeper') ?? assert.fail('no keeper');

describe('tables that exist', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  it('get the columns that they lack, and what they do not take is a dead letter while the rest flows', async () => {
    await using world = await openStock(broker);
    const live = [column('sku'), column('at', 'timestamp'), column('amount', 'integer'), column('extra', 'date')];
    await openTable(world, 'stock_log', live, async () => {});
    const lines: string[] = [];
    const host = await world.start({ log: createLogger({ level: 'info', destination: { write: (line) => lines.push(line) } }) });
    await send(world, [
      { item: 'nuts', minute: 5, amount: 5, note: 'newest' },
      { item: 'nuts', minute: 1, amount: 1 },
      { item: 'bolts', minute: 1, amount: 2 ** 40 },
      { item: 'screws', minute: 1, amount: 0 },
    ]);
    await world.untilThrough();
    const row = (sku: string, minute: number, amount: number, note: string | null) => ({
      sku,
      at: at(minute).replace('Z', '.000000Z'),
      amount,
      extra: null,
      note,
    });
    assert.deepEqual(await rowsOf(world, 'stock_log'), [row('screws', 1, 0, null), row('nuts', 1, 1, null), row('nuts', 5, 5, 'newest')]);
    assert.deepEqual(
      (await rowsOf(world, 'stock_latest')).map(({ item, amount }) => [item, amount]),
      [
        ['screws', '0'],
        ['nuts', '5'],
      ],
    );
    assert.deepEqual(await openLocalStore(join(world.folder, 'tables')).list('stock_sold'), [], 'an optional table is off');
    const [letter, ...more] = await world.deadLetters();
    assert.deepEqual([JSON.parse(String(letter?.value)).item, more.length], ['bolts', 0]);
    assert.deepEqual(
      keeper(host).alerts.map(({ code }) => code),
      ['PH_DELTA_DRIFT'],
    );
    const said = lines.join('');
    assert.match(said, /columns of the definition that table stock_log did not have were added: note/);
    assert.match(said, /item is written as sku/);
    assert.match(said, /amount is integer there, not long: values that do not fit are refused/);
    assert.match(said, /extra is no column of the definition/);
  });

  it('may be changed while they are written: rows go on, or wait in Kafka until the two agree', async () => {
    await using world = await openStock(broker, { stock_sold: { enabled: true } });
    const host = await world.start({ log: createLogger({ level: 'silent' }) });
    const amounts = async (name: string) => (await rowsOf(world, name)).map(({ amount }) => Number(amount));
    await send(world, [{ item: 'nuts', minute: 1, amount: 1 }]);
    await world.untilThrough();
    for (const name of ['stock_log', 'stock_latest']) await openTable(world, name, [...LOG, column('theirs')], async () => {});
    await send(world, [{ item: 'bolts', minute: 2, amount: 2 }]);
    await world.untilThrough();
    const row = { item: 'bolts', at: '2026-01-05T10:02:00.000000Z', amount: '2', note: null, theirs: null };
    assert.deepEqual((await rowsOf(world, 'stock_log'))[1], row);
    assert.deepEqual((await rowsOf(world, 'stock_latest'))[1], row);

    await setRequired(world, 'stock_log', true);
    await send(world, [{ item: 'screws', minute: 3, amount: 0 }]);
    await until('the unit to fail', () => keeper(host).state.kind === 'failed');
    const { state } = keeper(host);
    assert.ok(state.kind === 'failed');
    assert.deepEqual([state.code, /theirs must not be null there/.test(state.reason)], ['PH_DELTA_SCHEMA', true]);
    assert.equal(await world.committed('keeper'), 2);
    await host.stop();
    await assert.rejects(world.start({ log: createLogger({ level: 'silent' }) }), coded('PH_DELTA_SCHEMA'));
    assert.deepEqual(await amounts('stock_log'), [1, 2]);

    await setRequired(world, 'stock_log', false);
    await world.start();
    await until('the record that waited to be written', async () => (await world.committed('keeper')) === 3);
    assert.deepEqual(await amounts('stock_log'), [0, 1, 2]);
    assert.deepEqual(await amounts('stock_sold'), [0]);
    assert.deepEqual(await world.deadLetters(), []);
  });
});
