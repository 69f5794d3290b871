/**
 * The contract between pipeline-host and a domain plugin.
 *
 * A plugin is data and pure functions; everything that can lose a message lives in the host.
 *
 * @example
 * ```ts
 * import { defineTable, defineTableWriter, defineTopic, definePlugin, Id, Nullable, column, Type } from '@pipeline-host/sdk';
 *
 * const Reading = Type.Object({ sensor: Id(), celsius: Type.Number() });
 * const readings = defineTopic('readings', Reading, { key: (reading) => reading.sensor });
 * const table = defineTable('readings', Type.Object({ sensor: column.string(), celsius: Nullable(column.double()) }), { mode: 'append' });
 *
 * export default definePlugin({
 *   name: 'weather',
 *   topics: [readings],
 *   tables: [table],
 *   workers: { writer: defineTableWriter({ consumes: readings, writes: [table], rows: (reading) => ({ readings: [reading] }) }) },
 * });
 * ```
 */
export * from './brand.ts';
export * from './column-source.ts';
export * from './duration.ts';
export * from './error-codes.ts';
export * from './error-text.ts';
export * from './errors.ts';
export * from './exact-json.ts';
export * from './file-types.ts';
export * from './outcome.ts';
export * from './paths.ts';
export * from './plugin.ts';
export * from './poller.ts';
export * from './presigned-expiry.ts';
export * from './schema.ts';
export * from './services.ts';
export * from './simulation.ts';
export * from './table.ts';
export * from './table-writer.ts';
export * from './topic.ts';
export * from './worker.ts';
