import { column, defineTable, defineTableWriter, defineTopic, PermanentError, Type, type WorkerDefinition } from '@pipeline-host/sdk';
import { tableSpec } from '../../host/src/engine/tables/table-rows.ts';
import type { ResolvedTable, ResolvedWorker } from '../../host/src/plugins/topology.ts';
import type { RetryLayout } from '../../host/src/retry/layout.ts';
import { Job, jobs, resolvedWorker } from '../host/engine/in-memory-unit.ts';
import type { Checks } from './checks.ts';
import type { Network } from './network.ts';
import { type Schedule, TIMEOUT } from './schedule.ts';
import type { SimulatedGroup } from './simulated-group.ts';
import type { SimulatedTable } from './simulated-table.ts';
import { DEAD, SOURCE, type WorkerNames } from './worker-names.ts';

/** One worker of the plugin and everything around its members. */
export interface SimulatedWorker {
  readonly names: WorkerNames;
  readonly schedule: Schedule;
  readonly network: Network;
  readonly group: SimulatedGroup;
  readonly checks: Checks;
  /** Of its retry topic, which may be its neighbour's too. */
  readonly layout: RetryLayout;
  readonly isShared: boolean;
  /** Empty where it has handlers. */
  readonly tables: readonly SimulatedTable[];
  /** Of the newest schema that a member knows which starts now. */
  version: 1 | 2;
  /** What is planned to fail passes from now on. */
  areMended: boolean;
  /** Whether this call of an API fails. */
  readonly fails: (api: 'a' | 'b') => boolean;
  readonly onCall: (n: number, attempt: number) => void;
  readonly tell: (line: () => string) => void;
}

/** What handlers send: which life of which record it is of. */
export const results = defineTopic('results', Type.Object({ ...Job.properties, life: Type.Integer() }), { key: ({ id }) => id });

/** What the table cannot hold. */
const TOO_WIDE = 2 ** 40;
const Row = Type.Object({
  id: column.string(),
  n: column.integer(),
  life: column.integer(),
  last: column.boolean(),
  size: column.integer(),
});
const TABLES = [defineTable('first', Row, { mode: 'append' }), defineTable('second', Row, { mode: 'append' })] as const;
export const TABLE_NAMES = TABLES.map((definition) => tableSpec(definition).name);

/** The topic of the jobs as a plugin of this version has it. */
export function jobsOf(version: 1 | 2) {
  return version === 1 ? jobs : defineTopic('jobs', Job, { key: ({ id }) => id, version });
}

/** The worker as the topology has it. */
export function resolve(
  { names, schedule, isShared }: SimulatedWorker,
  version: 1 | 2,
  definition: ResolvedWorker['definition'],
): ResolvedWorker {
  const { tables, delays, mode, concurrency, batchSize } = schedule;
  const plain = resolvedWorker({
    definition: definition as WorkerDefinition,
    concurrency,
    timeout: TIMEOUT,
    delays: tables === undefined || isShared ? delays : [],
    onRetry: mode,
    batchSize,
  });
  return {
    ...plain,
    id: `p.${names.name}`,
    name: names.name,
    group: names.group,
    consumes: { definition: jobsOf(version), topic: SOURCE, cluster: 'default', partitions: schedule.partitions },
    produces: new Map([['results', { definition: results, topic: names.results, cluster: 'default', partitions: 2 }]]),
    tables: TABLES.slice(0, tables?.count ?? 0).map((one): ResolvedTable => ({ definition: one, name: one.name })),
    retryTopic: names.retry,
    retryShared: isShared,
    deadLetterTopic: DEAD,
    settings: { ...plain.settings, ...(tables !== undefined && { flush: { rows: tables.rows, bytes: 1e6, age: tables.age } }) },
  };
}

/** A table writer that makes of a record what the schedule says. */
export function tableWriter(member: string, { schedule, checks, onCall }: SimulatedWorker, version: 1 | 2) {
  const writes = TABLES.slice(0, schedule.tables?.count ?? 0);
  return defineTableWriter({
    consumes: jobsOf(version),
    writes,
    rows: ({ id, n }, { record: { topic, partition, offset } }) => {
      const fate = checks.fateAt(member, topic, partition, Number(offset));
      checks.reads({ member, version, attempt: 1 }, topic, partition, Number(offset));
      onCall(n, 1);
      const ends = fate?.attempts.at(-1)?.ends;
      if (fate === undefined || ends === 'skip') return {};
      if (ends === 'permanent' || ends === 'dead' || ends === 'transient') throw new PermanentError('SIM_PERMANENT', 'by plan');
      const own = writes.filter((_, at) => writes.length === 1 || n % 3 !== at);
      return Object.fromEntries(
        own.map(({ name }, at) => {
          const last = at === own.length - 1;
          return [name, [{ id, n, life: fate.life, last, size: ends === 'too-large' && last ? TOO_WIDE : 1 }]];
        }),
      );
    },
  });
}
