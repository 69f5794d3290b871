import { column, defineTable, defineTableWriter, Type, text } from '@pipeline-host/sdk';
import { accepted } from './topics.ts';

/** One row an order; one that comes again replaces its row. */
export const orderTable = defineTable(
  'sample_orders',
  Type.Object({ id: column.string(), item: column.string(), count: column.integer(), at: column.timestamp() }),
  { mode: 'merge', key: ['id'] },
);

export const writer = defineTableWriter({
  consumes: accepted,
  writes: [orderTable],
  columns: { id: text('id'), item: text('item'), count: text('count'), at: text('at') },
});
