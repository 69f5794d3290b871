import { type Static, Type } from '@sinclair/typebox';
import type { HostStatus } from '../engine/status.ts';

const open = { additionalProperties: true } as const;
const Count = Type.Integer({ minimum: 0 });

const Unit = Type.Object(
  {
    id: Type.String({ description: 'plugin.worker, with #2 and up for further members in the process' }),
    plugin: Type.String(),
    worker: Type.String(),
    state: Type.Object(
      {
        kind: Type.String({ description: 'starting, idle, working, paused, stalled, failed, draining or stopped' }),
        reason: Type.Optional(Type.String()),
        code: Type.Optional(Type.String()),
      },
      open,
    ),
    counts: Type.Object({ received: Count, done: Count, skipped: Count, retried: Count, dead: Count }, open),
    open: Type.Integer({ description: 'records received and not settled' }),
    delayed: Type.Union([Type.Number(), Type.Null()], { description: 'records that wait in delay lanes; null until probed' }),
    lag: Type.Union([Type.Number(), Type.Null()], { description: 'records ahead of the committed offsets; null until probed' }),
    oldestOpen: Type.Union([Type.Number(), Type.Null()], { description: 'milliseconds since the oldest open record came' }),
    partitions: Count,
    held: Type.Array(
      Type.Object(
        {
          dependency: Type.String({ description: 'what the failures name, else their code' }),
          code: Type.String(),
          reason: Type.String(),
          since: Type.String({ description: 'when it began to fail' }),
          records: Type.Integer({ minimum: 0, description: 'records that wait for it in memory' }),
          behind: Type.Integer({ minimum: 0, description: 'records of their keys that wait behind them' }),
          postponed: Type.Integer({ minimum: 0, description: 'records that found no room and went into delay lanes, without an attempt' }),
          nextProbe: Type.Union([Type.String(), Type.Null()], { description: 'null while one is under way' }),
        },
        open,
      ),
      { description: 'records that wait for a dependency that fails, while the others go on' },
    ),
    postponed: Type.Integer({ minimum: 0, description: 'of those retried: records that went into delay lanes to wait for a dependency' }),
  },
  open,
);

/** What a host says of itself; whatever is added to it is shown. */
export const StatusView = Type.Object(
  {
    startedAt: Type.String(),
    version: Type.String(),
    clusters: Type.Array(Type.Object({ name: Type.String(), id: Type.String(), brokers: Type.String(), embedded: Type.Boolean() }, open)),
    units: Type.Array(Unit),
  },
  open,
);

export function statusView(status: HostStatus): Static<typeof StatusView> {
  return { ...status, clusters: [...status.clusters], units: status.units.map((unit) => ({ ...unit, held: [...unit.held] })) };
}
