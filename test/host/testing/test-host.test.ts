import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  column,
  definePlugin,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  done,
  externalTopic,
  Id,
  output,
  PermanentError,
  Type,
} from '@pipeline-host/sdk';
import { answer, rules, startService, startTestHost } from '../../../host/src/testing/index.ts';

const Config = Type.Object({ token: Type.String({ default: 'first' }) });
const Order = Type.Object({ id: Id(), boxes: Type.Integer() });
const Parcel = Type.Object({ id: Id(), label: Type.String(), at: Type.Number() });

const orders = defineTopic('orders', Order, { key: (order) => order.id });
const parcels = defineTopic('parcels', Parcel, { key: (parcel) => parcel.id });
const arrivals = externalTopic('harbour.arrivals', Order, {
  codec: {
    name: 'semicolons',
    decode: (bytes) => {
      const [id, boxes] = Buffer.from(bytes).toString('utf8').split(';');
      return { id, boxes: Number(boxes) };
    },
    encode: (message) => Object.values(message as object).join(';'),
  },
});
const parcelTable = defineTable('parcels', Type.Object({ id: column.string(), label: column.string() }), { mode: 'merge', key: ['id'] });

const labels = { hosts: ['labels.example'] };
const packer = defineWorker({
  consumes: orders,
  produces: [parcels],
  config: Config,
  handle: async ({ id, boxes }, { http, config, attempt }) => {
    if (boxes < 0) throw new PermanentError('SHOP_COUNT', 'less than nothing');
    const headers = { authorization: `Bearer ${config.token}` };
    const { body } = await http.request({ url: `https://labels.example/labels/${id}`, policy: labels, headers });
    return done([output(parcels, { id, label: `${Buffer.from(body).toString('utf8')} at attempt ${attempt}`, at: Date.now() })]);
  },
});
const unloader = defineWorker({
  consumes: arrivals,
  produces: [parcels],
  handle: ({ id, boxes }) => done([output(parcels, { id, label: `${boxes} by ship`, at: Date.now() })]),
});
const writer = defineTableWriter({ consumes: parcels, writes: [parcelTable], rows: ({ id, label }) => ({ parcels: [{ id, label }] }) });
const shop = definePlugin({
  name: 'shop',
  config: Config,
  topics: [orders, parcels],
  tables: [parcelTable],
  workers: { packer, unloader, writer },
});

async function openShop(options: { readonly token?: string; readonly workers?: readonly string[] } = {}) {
  const outage = rules.outage();
  const tokens = rules.accessTokens({ accepted: ['first'] });
  const service = await startService({
    rules: [outage, tokens],
    routes: { 'GET /labels/:id': ({ params }) => answer.status(200, { body: `label of ${params['id']}` }) },
  });
  const host = await startTestHost({
    plugins: [shop],
    config: { plugins: { shop: { config: { token: options.token ?? 'first' } } } },
    standIns: { 'https://labels.example': service },
    ...(options.workers !== undefined && { workers: options.workers }),
  });
  const close = async () => {
    await host.close();
    await service.close();
  };
  return { host, service, outage, tokens, [Symbol.asyncDispose]: close };
}

describe('startTestHost', () => {
  it('takes messages through all workers into topics, tables and dead letters, without waiting for the age of a batch', async () => {
    await using world = await openShop();
    const { host } = world;
    const sentAt = performance.now();
    await host.sendAll(orders, [{ id: 'a', boxes: 1 }, { id: 'b', boxes: -1 }, '{"id":']);
    await host.send(arrivals, { id: 'c', boxes: 7 });
    await host.settled();
    const found = (await host.messages(parcels)).map(({ id, label }) => `${id}: ${label}`).sort();
    assert.deepEqual(found, ['a: label of a at attempt 1', 'c: 7 by ship']);
    assert.deepEqual((await host.rows(parcelTable)).map((row) => String(row['id'])).sort(), ['a', 'c']);
    const letters = await host.deadLetters();
    assert.deepEqual(letters.map(({ worker, code }) => `${worker} ${code}`).sort(), ['packer PH_MESSAGE_UNREADABLE', 'packer SHOP_COUNT']);
    const [record] = (await host.records(parcels)).filter(({ key }) => key === 'a');
    assert.deepEqual([record?.headers, record?.redo], [{}, false]);
    assert.ok(performance.now() - sentAt < 60_000);
    assert.ok(host.status().units.every(({ open }) => open === 0));
  });

  it('puts time forward through the waits between attempts, and plugins see that time', async () => {
    await using world = await openShop();
    const { host, outage } = world;
    outage.begin({ requests: 2 });
    const before = Date.now();
    await host.send(orders, { id: 'a', boxes: 1 });
    await host.settled();
    const [parcel] = await host.messages(parcels);
    assert.equal(parcel?.label, 'label of a at attempt 3');
    const waited = parcel.at - before;
    assert.ok(waited >= 15 * 60_000 && waited < 20 * 60_000, `after ${waited} ms: 5 minutes and 10`);
  });

  it('advances by just so much: what is due later still waits', async () => {
    await using world = await openShop();
    const { host, outage, service } = world;
    outage.begin({ requests: 1 });
    await host.send(orders, { id: 'a', boxes: 1 });
    await host.advance('4m');
    assert.equal(service.asked('/labels/a'), 1);
    assert.deepEqual(await host.messages(parcels), []);
    await host.advance('61s');
    assert.equal(service.asked('/labels/a'), 2);
    assert.equal((await host.messages(parcels)).length, 1);
  });

  it('shows a worker that pauses and burns no attempt for as long as its token is refused, and goes on with a new one', async () => {
    await using world = await openShop({ token: 'second' });
    const { host, tokens, service } = world;
    await host.sendAll(orders, [
      { id: 'a', boxes: 1 },
      { id: 'b', boxes: 1 },
    ]);
    await host.advance('1h');
    assert.equal(host.status().units.find(({ worker }) => worker === 'packer')?.state.kind, 'paused');
    await assert.rejects(host.settled({ within: '5m' }), /not settled within 5m: shop.packer is paused/);
    assert.ok(service.answered(401) > 10);
    tokens.accept('second');
    await host.settled();
    assert.deepEqual(
      (await host.messages(parcels)).map(({ label }) => label.slice(-9)),
      ['attempt 1', 'attempt 1'],
    );
    assert.deepEqual(await host.deadLetters(), []);
  });

  it('runs the workers that are named, and leaves nothing behind', async () => {
    const realDate = Date;
    await using world = await openShop({ workers: ['unloader'] });
    const { host } = world;
    assert.notEqual(Date, realDate);
    await host.send(orders, { id: 'a', boxes: 1 });
    await host.send(arrivals, { id: 'c', boxes: 7 });
    await host.settled();
    assert.deepEqual(
      (await host.messages(parcels)).map(({ id }) => id),
      ['c'],
    );
    await world[Symbol.asyncDispose]();
    assert.equal(Date, realDate);
    await assert.rejects(fetch(`${host.url}/health/live`));
  });

  it('fails where the plugin would not start', async () => {
    const broken = definePlugin({ name: 'broken', topics: [orders], workers: { packer } });
    await assert.rejects(startTestHost({ plugins: [broken] }), { code: 'PH_TOPOLOGY_TOPIC' });
    await assert.rejects(startTestHost({ plugins: [shop], config: { plugins: { shop: { config: { tokn: 1 } } } } }), {
      code: 'PH_CONFIG_UNKNOWN_KEY',
    });
  });
});
