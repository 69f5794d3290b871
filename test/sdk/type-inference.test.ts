import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  type ColumnSource,
  column,
  dead,
  definePlugin,
  defineServices,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  definitionKind,
  done,
  Id,
  type MessageOf,
  Nullable,
  output,
  Text,
  Type,
  text,
} from '@pipeline-host/sdk';

/** Fails to compile where the two types differ. */
type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
const holds = <_Claim extends true>(): void => {};

const Config = Type.Object({ limit: Type.Integer({ default: 5 }), site: Type.String() });
const Order = Type.Object({ id: Id(), note: Nullable(Text()), count: Type.Integer() });
const Shipment = Type.Object({ order: Id(), boxes: Type.Integer() });
const OldOrder = Type.Object({ order_id: Type.String(), n: Type.Integer() });
const OlderOrder = Type.Object({ ID: Type.Number() });

const orders = defineTopic('orders', Order, {
  key: (order) => order.id,
  accepts: [
    { schema: OldOrder, upgrade: (old) => ({ id: old.order_id, note: null, count: old.n }) },
    { schema: OlderOrder, upgrade: (old) => ({ id: String(old.ID.toFixed(0)), note: null, count: 1 }) },
  ],
});
const shipments = defineTopic('shipments', Shipment, { key: (shipment) => shipment.order });
const invoices = defineTopic('invoices', Type.Object({ total: Type.Number() }), { key: () => null });
const services = defineServices(Config, { clock: ({ config }) => ({ now: () => config.limit }) });
const table = defineTable('orders', Type.Object({ id: column.string(), note: Nullable(column.string()), count: column.long() }), {
  mode: 'merge',
  key: ['id'],
  columns: { note: 'always' },
});

describe('the types of the SDK flow without annotations', () => {
  it('types the message, config and services of a handler from the schemas', () => {
    holds<Equal<MessageOf<typeof orders>, { id: string; note: string | null; count: number }>>();
    const worker = defineWorker({
      consumes: orders,
      produces: [shipments, invoices],
      config: Config,
      services,
      handle: (order, ctx) => {
        holds<Equal<typeof order, { id: string; note: string | null; count: number }>>();
        holds<Equal<typeof ctx.config, { limit: number; site: string }>>();
        holds<Equal<ReturnType<typeof ctx.services.clock.now>, number>>();
        if (order.count > ctx.config.limit) return dead('SHOP_TOO_MANY', 'too many');
        return done([output(shipments, { order: order.id, boxes: order.count }), output(invoices, { total: 1 })]);
      },
      onDead: (order, failure) => [output(invoices, { total: failure.attempts + order.count })],
    });
    assert.equal(definitionKind(worker), 'worker');
  });

  it('refuses an output of a topic that the worker did not declare', () => {
    const worker = defineWorker({
      consumes: orders,
      produces: [shipments],
      // @ts-expect-error invoices is not in produces
      handle: () => done([output(invoices, { total: 1 })]),
    });
    const silent = defineWorker({
      consumes: orders,
      // @ts-expect-error nothing is in produces
      handle: async () => done([output(shipments, { order: 'a', boxes: 1 })]),
    });
    assert.equal(worker.produces.length, 1);
    assert.equal(silent.produces.length, 0);
  });

  it('refuses a message that does not fit its topic', () => {
    // @ts-expect-error boxes is a number
    const wrong = output(shipments, { order: 'a', boxes: 'two' });
    assert.equal(wrong.topic, 'shipments');
    defineTopic('late', Order, {
      key: (order) => order.id,
      // @ts-expect-error the upgrade lacks count
      accepts: [{ schema: OldOrder, upgrade: (old) => ({ id: old.order_id, note: null }) }],
    });
    // @ts-expect-error no such field
    defineTopic('keyless', Order, { key: (order) => order.identity });
  });

  it('types batches, with a context each', () => {
    const worker = defineWorker({
      consumes: orders,
      produces: [shipments],
      config: Config,
      handleBatch: (items) =>
        items.map(({ message, context }) => {
          holds<Equal<typeof context.config.limit, number>>();
          return done([output(shipments, { order: message.id, boxes: context.attempt })]);
        }),
    });
    assert.equal(typeof worker.handleBatch, 'function');
  });

  it('types rows from the table, nullable columns may be left out', () => {
    const writer = defineTableWriter({
      consumes: orders,
      writes: [table],
      rows: (order, ctx) => ({
        orders: [
          { id: order.id, count: order.count, note: ctx.writtenAt },
          { id: order.id, count: 2n },
        ],
      }),
    });
    assert.equal(definitionKind(writer), 'table-writer');
    defineTableWriter({
      consumes: orders,
      writes: [table],
      // @ts-expect-error id is missing
      rows: (order) => ({ orders: [{ count: order.count }] }),
    });
    defineTableWriter({
      consumes: orders,
      writes: [table],
      // @ts-expect-error no such table
      rows: (order) => ({ order: [{ id: order.id, count: 1 }] }),
    });
    // @ts-expect-error no such column
    defineTable('bad', Type.Object({ id: column.string() }), { mode: 'merge', key: ['ident'] });
    // @ts-expect-error no such column
    defineTable('bad', Type.Object({ id: column.string() }), { mode: 'append', aliases: { ident: ['key'] } });
    // @ts-expect-error no such column
    defineTable('bad', Type.Object({ id: column.string() }), { mode: 'merge', key: ['id'], updateWhen: { newer: 'at' } });
    // @ts-expect-error an append updates nothing
    defineTable('bad', Type.Object({ id: column.string() }), { mode: 'append', updateWhen: { newer: 'id' } });
    // @ts-expect-error which columns?
    defineTable('bad', Type.Object({ id: column.string() }), { mode: 'merge', key: ['id'], updateWhen: { distinct: [] } });
  });

  it('makes a plugin of definitions', () => {
    const plugin = definePlugin({
      name: 'shop',
      config: Config,
      services,
      topics: [orders, shipments],
      tables: [table],
      workers: { packer: defineWorker({ consumes: orders, produces: [shipments], handle: () => done() }) },
    });
    assert.equal(plugin.name, 'shop');
  });

  it('types columns from the message and the table', () => {
    const writer = defineTableWriter({ consumes: orders, writes: [table], columns: { id: text('id'), count: text('count') } });
    assert.deepEqual(Object.keys(writer.columns ?? {}), ['id', 'count']);
    // @ts-expect-error the message has no such field
    defineTableWriter({ consumes: orders, writes: [table], columns: { id: text('ident'), count: text('count') } });
    // @ts-expect-error count may not be null, so it must come from somewhere
    defineTableWriter({ consumes: orders, writes: [table], columns: { id: text('id') } });
    // @ts-expect-error the table has no such column
    defineTableWriter({ consumes: orders, writes: [table], columns: { id: text('id'), count: text('count'), more: text('id') } });
    // @ts-expect-error rows or columns, not both
    defineTableWriter({ consumes: orders, writes: [table], rows: () => ({}), columns: { id: text('id'), count: text('count') } });
    holds<Equal<ReturnType<typeof text<'a.b'>>, ColumnSource<'a.b'>>>();
  });
});
