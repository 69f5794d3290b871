import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestHost, testWorker } from 'pipeline-host/testing';
import { checker } from '../src/checker.ts';
import plugin from '../src/index.ts';
import { accepted, orders } from '../src/topics.ts';
import { orderTable, writer } from '../src/writer.ts';

const order = { id: 'o-1', item: 'tea', count: 2, at: '2026-01-05T10:00:00Z' };

test('the checker accepts orders up to the limit', async () => {
  await using tested = testWorker(checker, { config: { limit: 3 } });
  assert.deepEqual((await tested.handle(order)).sentTo(accepted), [order]);
  assert.equal((await tested.handle({ ...order, count: 4 })).code, 'SAMPLE_COUNT');
  assert.equal((await tested.handle({ ...order, count: 0 })).outcome, 'skipped');
});

test('an order that comes again replaces its row', async () => {
  await using tested = testWorker(writer);
  await tested.handleBatch([order, { ...order, count: 5 }]);
  assert.deepEqual(await tested.rows(), [{ ...order, count: 5, at: '2026-01-05T10:00:00.000000Z' }]);
});

test('orders go through the whole plugin into the table, and bad ones to the dead letters', async () => {
  await using host = await startTestHost({ plugins: [plugin] });
  await host.sendAll(orders, [order, { ...order, id: 'o-2', count: 5_000 }, 'not JSON']);
  await host.settled();
  const rows = await host.rows(orderTable);
  assert.deepEqual(
    rows.map(({ id }) => id),
    ['o-1'],
  );
  const codes = (await host.deadLetters()).map(({ code }) => code);
  assert.deepEqual(new Set(codes), new Set(['PH_MESSAGE_UNREADABLE', 'SAMPLE_COUNT']));
});
