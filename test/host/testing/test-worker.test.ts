import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AuthError,
  column,
  dead,
  definePlugin,
  definePoller,
  defineServices,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  done,
  Id,
  Nullable,
  output,
  PermanentError,
  retry,
  skip,
  Text,
  TransientError,
  Type,
  text,
  UnavailableError,
  writtenAt,
} from '@pipeline-host/sdk';
import { answer, rules, startService, testWorker } from '../../../host/src/testing/index.ts';

const Config = Type.Object({ limit: Type.Integer({ default: 10 }), site: Type.String({ default: 'https://stock.example' }) });
const Order = Type.Object({ id: Id(), count: Type.Integer(), note: Nullable(Text()) });
const OldOrder = Type.Object({ order_id: Type.String(), n: Type.Integer() });
const Shipment = Type.Object({ order: Id(), boxes: Type.Integer({ minimum: 1 }) });

const orders = defineTopic('orders', Order, {
  key: (order) => order.id,
  accepts: [{ schema: OldOrder, upgrade: (old) => ({ id: old.order_id, count: old.n, note: null }) }],
});
const shipments = defineTopic('shipments', Shipment, { key: (shipment) => shipment.order });
const complaints = defineTopic('complaints', Type.Object({ order: Id(), why: Type.String() }), { key: () => null });
let made = 0;
const services = defineServices(Config, {
  clock: () => {
    made++;
    return { hour: () => 12 };
  },
});

type Handled = Parameters<
  typeof defineWorker<typeof orders, readonly [typeof shipments, typeof complaints], typeof Config, typeof services>
>[0];

/** A worker with this handler. */
const workerWith = (handle: NonNullable<Handled['handle']>, more: Partial<Handled> = {}) =>
  defineWorker({ consumes: orders, produces: [shipments, complaints], config: Config, services, ...more, handle, handleBatch: undefined });

const order = { id: 'o-1', count: 3 };
const boxes = (count: number) => done([output(shipments, { order: 'o-1', boxes: count }, { headers: { site: 'north' } })]);

describe('testWorker', () => {
  it('gives the handler what a host gives it: the checked message, config with defaults, services, record, attempt', async () => {
    const seen: unknown[] = [];
    const worker = workerWith((message, { config, services: own, record, attempt, deadline, signal, log, metrics }) => {
      log.info({ note: message.note }, 'handled');
      metrics.count('orders', { kind: 'small' }, 2);
      metrics.observe('boxes', 3);
      seen.push(message, config, own.clock.hour(), record.key, record.topic, record.headers, record.timestamp, attempt);
      seen.push(deadline > Date.now(), signal.aborted);
      return done();
    });
    await using tested = testWorker(worker, { config: { limit: 4 } });
    const { outcome } = await tested.handle(order, { headers: { from: 'shop' }, timestamp: 5 });
    assert.equal(outcome, 'done');
    const config = { limit: 4, site: 'https://stock.example' };
    assert.deepEqual(seen, [{ ...order, note: null }, config, 12, 'o-1', 'tested.orders', { from: 'shop' }, 5, 1, true, false]);
    assert.equal(tested.metrics.count('orders', { kind: 'small' }), 2);
    assert.deepEqual(tested.metrics.observed('boxes'), [3]);
    const [line] = tested.log.filter(({ message }) => message === 'handled');
    assert.equal(line?.fields['topic'], 'tested.orders');
  });

  it('reads older shapes, text and bytes, and has no ear for what is no message', async () => {
    await using tested = testWorker(workerWith(({ id, count }) => (id === 'o-1' ? boxes(count) : dead('NOT_OURS', id))));
    for (const message of [order, { order_id: 'o-1', n: 3 }, JSON.stringify(order), Buffer.from(JSON.stringify(order))]) {
      const { outcome, outputs, sentTo } = await tested.handle(message);
      assert.equal(outcome, 'done');
      assert.deepEqual(sentTo(shipments), [{ order: 'o-1', boxes: 3 }]);
      assert.deepEqual([outputs[0]?.key, outputs[0]?.headers, outputs[0]?.redo], ['o-1', { site: 'north' }, false]);
    }
    const notJson = await tested.handle('{"id":');
    assert.deepEqual([notJson.outcome, notJson.code], ['dead', 'PH_MESSAGE_UNREADABLE']);
    const unfit = await tested.handle({ id: 'o-1', count: 'many' });
    assert.deepEqual([unfit.outcome, unfit.code], ['dead', 'PH_MESSAGE_INVALID']);
  });

  it('classifies what a handler returns and throws as the host does', async () => {
    const outcomes: Readonly<Record<string, NonNullable<Handled['handle']>>> = {
      done: () => done(),
      'skipped: too early': () => skip('too early'),
      'dead ORDER_LOST: gone': () => dead('ORDER_LOST', 'gone'),
      'dead ORDER_BAD: never': () => {
        throw new PermanentError('ORDER_BAD', 'never');
      },
      'retried STOCK_BUSY: later after 300000': () => {
        throw new TransientError('STOCK_BUSY', 'later');
      },
      'retried PH_HANDLER_FAILED: oops after 300000': () => {
        throw new RangeError('oops');
      },
      'retried STOCK_BUSY: in a while after 1200000': () => retry(new TransientError('STOCK_BUSY', 'in a while'), { after: '15m' }),
      'paused STOCK_DOWN: down': () => {
        throw new UnavailableError('STOCK_DOWN', 'down');
      },
      'paused STOCK_DENIED: who are you': () => {
        throw new AuthError('STOCK_DENIED', 'who are you');
      },
      'dead PH_HANDLER_OUTCOME: the handler returned no outcome': () => undefined as never,
      'dead PH_OUTPUT_INVALID: field /boxes: Expected integer to be greater or equal to 1': () => boxes(0),
    };
    for (const [expected, handle] of Object.entries(outcomes)) {
      await using tested = testWorker(workerWith(handle));
      const { outcome, code, reason, wait } = await tested.handle(order);
      const said = `${[outcome, code].filter((one) => one !== undefined).join(' ')}${reason === undefined ? '' : `: ${reason}`}`;
      assert.equal(wait === undefined ? said : `${said} after ${wait}`, expected);
    }
  });

  it('is dead at the failure after the last attempt, and waits in place where the worker holds', async () => {
    const failing = () => {
      throw new TransientError('STOCK_BUSY', 'later');
    };
    await using delaying = testWorker(workerWith(failing));
    assert.deepEqual(
      [(await delaying.handle(order, { attempt: 4 })).wait, (await delaying.handle(order, { attempt: 5 })).outcome],
      [2_400_000, 'dead'],
    );
    await using holding = testWorker(workerWith(failing, { onRetry: 'hold' }));
    const { outcome, code, wait } = await holding.handle(order);
    assert.deepEqual([outcome, code, wait], ['retried', 'STOCK_BUSY', 1_000]);
  });

  it('sends what onDead makes of a failure', async () => {
    const worker = workerWith(() => dead('ORDER_LOST', 'gone'), {
      onDead: (message, failure) => [output(complaints, { order: message.id, why: `${failure.code} after ${failure.attempts}` })],
    });
    await using tested = testWorker(worker);
    assert.deepEqual((await tested.handle(order)).sentTo(complaints), [{ order: 'o-1', why: 'ORDER_LOST after 1' }]);
    const given = await tested.giveUp(order, new TransientError('STOCK_BUSY', 'later'), { attempt: 5 });
    assert.deepEqual([given.outcome, given.sentTo(complaints)], ['dead', [{ order: 'o-1', why: 'STOCK_BUSY after 5' }]]);
  });

  it('handles a batch in one call, and tells its records apart', async () => {
    const calls: number[] = [];
    const worker = defineWorker({
      consumes: orders,
      produces: [shipments],
      handleBatch: (items) => {
        calls.push(items.length);
        return items.map(({ message: { id, count } }) =>
          count > 2 ? done([output(shipments, { order: id, boxes: count })]) : skip('few'),
        );
      },
    });
    const results = await testWorker(worker).handleBatch([{ id: 'a', count: 3 }, { id: 'b', count: 1 }, '-', { id: 'c', count: 4 }]);
    assert.deepEqual(
      results.map(({ outcome, sentTo }) => [outcome, ...sentTo(shipments).map((shipment) => shipment.order)]),
      [['done', 'a'], ['skipped'], ['dead'], ['done', 'c']],
    );
    assert.deepEqual(calls, [3]);
  });

  it('asks simulated services in place of those that the plugin names', async () => {
    const tokens = rules.accessTokens({ accepted: ['secret'] });
    await using stock = await startService({
      rules: [tokens],
      routes: { 'GET /items/:id': ({ params, query }) => answer.json({ boxes: Number(query.get('n')) + Number(params['id']) }) },
    });
    const worker = workerWith(async ({ id, count }, { http, config }) => {
      const { body } = await http.request({
        url: `${config.site}/items/4?n=${count}`,
        policy: { hosts: ['stock.example'] },
        headers: { authorization: 'Bearer secret' },
      });
      return done([output(shipments, { order: id, boxes: (JSON.parse(Buffer.from(body).toString()) as { boxes: number }).boxes })]);
    });
    const standIns = { 'https://stock.example': stock };
    await using tested = testWorker(worker, { standIns });
    assert.deepEqual((await tested.handle(order)).sentTo(shipments), [{ order: 'o-1', boxes: 7 }]);
    tokens.revoke('secret');
    assert.equal((await tested.handle(order)).outcome, 'paused');
    await using other = testWorker(worker, { standIns, config: { site: 'https://elsewhere.example' } });
    assert.equal((await other.handle(order)).code, 'PH_HTTP_URL_REFUSED');
  });

  it('takes given services in place of those that the plugin makes', async () => {
    const plugin = definePlugin({
      name: 'shop',
      config: Config,
      services,
      topics: [orders, shipments, complaints],
      workers: { packer: workerWith((_, ctx) => skip(`at ${ctx.services.clock.hour()}`)) },
    });
    const packer = plugin.workers['packer'];
    assert.ok(packer !== undefined && 'onRetry' in packer);
    const before = made;
    await using tested = testWorker(packer, { plugin, services: { clock: { hour: () => 23 } } });
    assert.equal((await tested.handle(order)).reason, 'at 23');
    assert.equal(made, before);
  });

  it('refuses a plugin and a config that the host would refuse', async () => {
    const handle = () => done();
    await assert.rejects(testWorker(workerWith(handle), { config: { limt: 3 } }).handle(order), { code: 'PH_CONFIG_UNKNOWN_KEY' });
    await assert.rejects(testWorker(workerWith(handle, { concurrency: 0 })).handle(order), { code: 'PH_PLUGIN_DEFINITION' });
  });
});

describe('testWorker of a table writer', () => {
  const Row = Type.Object({ id: column.string(), count: column.long(), note: Nullable(column.string()), at: Nullable(column.timestamp()) });
  const table = defineTable('orders', Row, { mode: 'merge', key: ['id'] });

  it('shows the rows of a function as the table holds them, merged', async () => {
    const writer = defineTableWriter({
      consumes: orders,
      writes: [table],
      rows: ({ id, count, note }) => ({ orders: count === 0 ? [] : [{ id, count: count < 0 ? ('few' as never) : count, note }] }),
    });
    await using tested = testWorker(writer);
    const outcomes = await tested.handleBatch([
      { id: 'a', count: 1, note: 'first' },
      { id: 'b', count: 0 },
      { id: 'c', count: -1 },
    ]);
    assert.deepEqual(
      outcomes.map(({ outcome, code }) => code ?? outcome),
      ['done', 'skipped', 'PH_ROW_INVALID'],
    );
    await tested.handle({ id: 'a', count: 2 });
    assert.deepEqual(await tested.rows(), [{ id: 'a', count: '2', note: 'first', at: null }]);
  });

  it('shows the rows of columns as the table holds them', async () => {
    const writer = defineTableWriter({
      consumes: orders,
      writes: [table],
      columns: { id: text('id'), count: text('count'), at: writtenAt() },
    });
    await using tested = testWorker(writer);
    assert.equal((await tested.handle({ order_id: 'old', n: 7 })).outcome, 'done');
    assert.equal((await tested.handle('nothing')).code, 'PH_MESSAGE_UNREADABLE');
    const [row, ...more] = await tested.rows('orders');
    assert.deepEqual([row?.['id'], row?.['count'], more.length], ['old', '7', 0]);
    assert.ok(Math.abs(Date.parse(String(row?.['at'])) - Date.now()) < 60_000);
  });
});

describe('testWorker of a poller', () => {
  it('maps rows to messages, leaves some out, and checks both', async () => {
    const poller = definePoller({
      query: 'Orders',
      row: Type.Object({ Id: Text(), Count: Type.Integer() }),
      produces: orders,
      map: (row) => (row.Count === 0 ? null : { id: row.Id, count: row.Count, note: null }),
      identity: (row) => row.Id,
    });
    await using tested = testWorker(poller);
    assert.deepEqual(await tested.map({ Id: 7, Count: 2 }), { key: '7', message: { id: '7', count: 2, note: null }, identity: '7' });
    assert.equal(await tested.map({ Id: 'a', Count: 0 }), null);
    await assert.rejects(tested.map({ Id: 'a' }), { code: 'PH_MESSAGE_INVALID' });
    await assert.rejects(tested.map({ Id: '', Count: 1 }), { code: 'PH_OUTPUT_INVALID' });
  });
});
