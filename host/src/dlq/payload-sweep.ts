import type { Log } from '@pipeline-host/sdk';
import { HEADER, headerText } from '../retry/headers.ts';
import type { ObjectStat, ObjectStore } from '../storage/index.ts';
import type { Disposition } from './disposition.ts';
import { DispositionJournal } from './disposition-journal.ts';
import { isReference, listPayloads } from './payloads.ts';
import type { ClusterAccess, DeadLetterQueue } from './queues.ts';

/** Never younger: between a payload and the dead letter that refers to it an outage of the broker may lie. */
const YOUNGEST = 24 * 3_600_000;

export interface PayloadSweepOptions {
  /** All of the topology: what no queue refers to, nobody does. */
  readonly queues: readonly DeadLetterQueue[];
  readonly clusters: ClusterAccess;
  readonly files: ObjectStore;
  /** Milliseconds that a payload is kept after its dead letter was replayed or discarded, or after retention deleted it. A day at least. */
  readonly keepFor: number;
  readonly log: Log;
  /** Ends it between two deletions. */
  readonly signal: AbortSignal;
}

/**
 * Deletes stored records that no dead letter needs any more. Looks into a topic only where an old one is stored at all.
 *
 * A payload goes where every dead letter that refers to it was replayed or discarded long enough ago; or where none does and
 * retention must have deleted it, by the age of the object. It stays where anything is not known: the topic, its retention,
 * a disposition. Any number of processes may sweep at once, and one that dies leaves the rest to the next one.
 */
export async function sweepPayloads(options: PayloadSweepOptions): Promise<void> {
  const { queues, files, log, signal } = options;
  for (const [topic, sharing] of Map.groupBy(queues, (queue) => queue.topic)) {
    const before = Date.now() - Math.max(options.keepFor, YOUNGEST);
    const old = (await listPayloads(files, topic)).filter(({ modified }) => modified < before);
    if (old.length === 0) continue;
    const uses = await usesOf(sharing, options, before).catch((error: unknown) => {
      if (signal.aborted) return null;
      throw error;
    });
    if (uses === null) continue;
    let deleted = 0;
    for (const { reference, path, modified } of old) {
      if (signal.aborted) return;
      const isOver = uses.settled.has(reference) || modified < before - uses.retention;
      if (uses.needed.has(reference) || !isOver || !(await isStillOld(files, path, before))) continue;
      await files.delete(path);
      deleted++;
    }
    if (deleted > 0)
      log.info({ topic, deleted }, 'deleted stored records of dead letters that were settled, or that retention has deleted');
  }
}

/** Which payloads the dead letters of a topic refer to. A topic may have its like on another cluster, and both keep theirs in one folder. */
interface Uses {
  /** By a dead letter that is open, or was settled a short time ago. */
  readonly needed: ReadonlySet<string>;
  /** By one that was settled long ago. */
  readonly settled: ReadonlySet<string>;
  /** Milliseconds that the topic keeps a dead letter; infinite where it does for ever, or nobody tells. */
  readonly retention: number;
}

/** Null where one of the topics is not there: what it refers to is not known. */
async function usesOf(
  queues: readonly DeadLetterQueue[],
  { clusters, log, signal }: PayloadSweepOptions,
  before: number,
): Promise<Uses | null> {
  const needed = new Set<string>();
  const settled = new Set<string>();
  let retention = 0;
  for (const queue of queues) {
    const cluster = await clusters.get(queue.cluster);
    const described = (await (await cluster.admin()).describeTopics([queue.topic])).get(queue.topic) ?? null;
    if (described === null) return null;
    const kept = Number(described.config?.['retention.ms'] ?? -1);
    retention = Math.max(retention, kept > 0 ? kept : Number.POSITIVE_INFINITY);
    const journal = new DispositionJournal({ queue, clusters, producer: writesNothing, create: false, log });
    // Before the dead letters: one that is settled meanwhile counts as open.
    await journal.follow();
    await cluster.scan({ topic: queue.topic }, (record) => {
      signal.throwIfAborted(); // a stop does not wait for millions of dead letters
      const reference = headerText(record.headers, HEADER.payload);
      if (isReference(reference)) (isSettledBefore(journal.of(record), before) ? settled : needed).add(reference);
    });
  }
  return { needed, settled, retention };
}

function isSettledBefore({ state, history }: Disposition, time: number): boolean {
  return (state === 'replayed' || state === 'discarded') && Date.parse(history.at(-1)?.at ?? '') < time;
}

/** The record may have come again meanwhile, and been stored again. */
async function isStillOld(files: ObjectStore, path: string, before: number): Promise<boolean> {
  const stat: ObjectStat | null = await files.stat(path);
  return stat !== null && stat.modified < before;
}

async function writesNothing(): Promise<never> {
  throw new TypeError('a sweep reads what was done with dead letters, and does nothing with them');
}
