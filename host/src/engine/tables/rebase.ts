import { PermanentError, PipelineError } from '@pipeline-host/sdk';
import { type DeltaTable, TxnConflictError } from '../../delta/index.ts';
import type { KafkaAdmin } from '../../kafka/driver.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { startOffsets } from '../start-position.ts';
import { WriterOffsets } from './writer-offsets.ts';

/** One table writer and the table that it is to begin anew with. */
export interface RebaseTarget {
  readonly table: DeltaTable;
  /** Physical name. */
  readonly name: string;
  readonly worker: ResolvedWorker & { readonly consumes: NonNullable<ResolvedWorker['consumes']> };
  /** Of the cluster that the source topic lives on, and of the one with the retry topic. */
  readonly admins: { readonly source: KafkaAdmin; readonly retry: KafkaAdmin };
}

/** What becomes of one partition. Offsets are the next ones to read, but for `stored`. */
export interface RebasedPartition {
  readonly of: 'source' | 'retry';
  readonly topic: string;
  readonly partition: number;
  readonly low: number;
  readonly high: number;
  /** The last offset whose rows are in the table by the present generation; null for none. */
  readonly stored: number | null;
  /** Where the writer goes on. */
  readonly start: number;
  /** Records from there on at offsets that the table holds: they are written again. */
  readonly again: number;
}

export interface RebasePlan {
  readonly generation: { readonly from: number; readonly to: number };
  readonly partitions: readonly RebasedPartition[];
  /** Of all partitions. */
  readonly again: number;
}

/**
 * What a new generation of a writer's offsets in a table would do: the present ones are forgotten, and the writer goes on
 * where its group stands, or at `start` of its source (`earliest`, `latest` or an ISO time). Changes nothing.
 */
export async function planRebase(target: RebaseTarget, start?: string): Promise<RebasePlan> {
  const { table, worker, admins } = target;
  const { retryTopic, settings } = worker;
  const source = await partitionsOf(target, 'source', worker.consumes.topic, start ?? settings.start, start !== undefined);
  const hasRetries = (await admins.retry.describeTopics([retryTopic])).get(retryTopic) !== null;
  const partitions = [...source, ...(hasRetries ? await partitionsOf(target, 'retry', retryTopic, 'earliest', false) : [])];
  const from = Number(new WriterOffsets('', worker).generation(table));
  return { generation: { from, to: from + 1 }, partitions, again: partitions.reduce((sum, { again }) => sum + again, 0) };
}

/**
 * Does what the plan says. The group's position is stored first: the broker refuses that while a member runs, and alone it
 * changes nothing, since the table still knows its offsets. Then the generation is committed, unless the writer committed
 * since the plan was made.
 *
 * @throws PermanentError `PH_DELTA_DUPLICATES` where records would be appended twice and `duplicates` does not say that this
 * is wanted; `PH_KAFKA_REQUEST` where the group has running members; PipelineError `PH_DELTA_REBASE_CONFLICT`
 */
export async function rebase(target: RebaseTarget, plan: RebasePlan, { duplicates }: { readonly duplicates: boolean }): Promise<void> {
  const { table, name, worker, admins } = target;
  const isAppend = worker.tables.some(({ name: one, definition }) => one === name && definition.options.mode === 'append');
  if (isAppend && plan.again > 0 && !duplicates)
    throw new PermanentError('PH_DELTA_DUPLICATES', `${plan.again} records would be appended to ${name} again`, { place: `table ${name}` });
  for (const [of, partitions] of Map.groupBy(plan.partitions, (one) => one.of)) {
    const offsets = partitions.map(({ partition, start }) => ({ partition, offset: start }));
    await admins[of].setOffsets(worker.group, of === 'source' ? worker.consumes.topic : worker.retryTopic, offsets);
  }
  const clusterIds = { source: await admins.source.clusterId(), retry: await admins.retry.clusterId() };
  const reads = plan.partitions.map(({ of, topic, partition, stored }) => ({
    appId: new WriterOffsets(clusterIds[of], worker).appId(table, topic, partition),
    version: stored === null ? null : BigInt(stored),
  }));
  const { appId, version: after } = new WriterOffsets('', worker).read(table);
  const txns = [{ appId, version: BigInt(plan.generation.to), after }];
  const written = await table.append({ ndjson: new Uint8Array(), rows: 0 }, { txns, reads }).catch((error: unknown) => {
    throw error instanceof TxnConflictError ? conflict(name, error) : error;
  });
  if (written.skipped) throw conflict(name);
}

function conflict(name: string, cause?: unknown): PipelineError {
  return new PipelineError('PH_DELTA_REBASE_CONFLICT', `a writer committed to ${name} since its offsets were looked at`, {
    place: `table ${name}`,
    ...(cause !== undefined && { cause }),
  });
}

/** Where the group goes on in a topic: where it stands unless it is `told` to begin, or has not begun yet. */
async function partitionsOf(
  { table, worker, admins }: RebaseTarget,
  of: RebasedPartition['of'],
  topic: string,
  start: string | undefined,
  told: boolean,
): Promise<readonly RebasedPartition[]> {
  const admin = admins[of];
  const offsets = new WriterOffsets(await admin.clusterId(), worker);
  const [bounds, committed] = await Promise.all([admin.offsets(topic), admin.committed(worker.group, [topic])]);
  const stands = told ? [] : committed.flatMap(({ partition, offset }) => (offset === null ? [] : [{ partition, offset }]));
  const begins = stands.length === 0 ? await startOffsets(admin, topic, start) : [];
  const known = new Map([...begins, ...stands].map(({ partition, offset }) => [partition, offset]));
  return bounds.map(({ partition, low, high }) => {
    const wanted = Math.max(low, known.get(partition) ?? low);
    // A position beyond the end is of a topic that is no more.
    const from = wanted > high ? low : wanted;
    const last = table.lastTxn(offsets.appId(table, topic, partition));
    const stored = last === null ? null : Number(last);
    // An offset that the topic does not have yet is another topic's: its own records come for the first time.
    const again = stored === null || stored >= high ? 0 : Math.max(0, stored + 1 - from);
    return { of, topic, partition, low, high, stored, start: from, again };
  });
}
