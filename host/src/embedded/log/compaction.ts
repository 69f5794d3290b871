import { rmSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { AppendFile } from '../storage/append-file.ts';
import { BatchFilter } from './batch-filter.ts';
import { readRecords } from './batch-records.ts';
import { type CompactionPlan, groupSegments } from './compaction-plan.ts';
import type { CompactionState } from './compaction-state.ts';
import { KeyOffsets } from './key-offsets.ts';
import { isControl, isTransactional } from './record-batch.ts';
import type { ReadBatch, Segment } from './segment.ts';
import { cleanedFile } from './segment-files.ts';
import type { AbortedTransaction } from './transaction-index.ts';

/** Keys that one round holds in memory; a log with more is compacted in several rounds. */
const KEYS_AT_ONCE = 500_000;
/** The broker serves its clients after each so many bytes. */
const BYTES_A_TURN = 256 << 10;
const WRITE_BYTES = 1 << 20;

export interface CompactionRound {
  readonly plan: CompactionPlan;
  readonly folder: string;
  readonly before: CompactionState;
  readonly segmentBytes: number;
  readonly deleteRetentionMs: number;
  readonly aborted: readonly AbortedTransaction[];
  readonly now: number;
  readonly signal: AbortSignal;
  readonly keysAtOnce?: number;
  /** Puts the cleaned file in the place of these segments; false if they are no longer the log's. */
  readonly replace: (sources: readonly [Segment, ...Segment[]]) => boolean;
}

/** Compacts what is planned and says how far the log is clean now. Undefined if it was stopped: what is swapped by then stays so. */
export async function compact(round: CompactionRound): Promise<CompactionState | undefined> {
  const { plan, before, now, deleteRetentionMs } = round;
  const isAborted = abortedLookup(round.aborted);
  const pace = new Pace(round.signal);
  const latest = new KeyOffsets(round.keysAtOnce ?? KEYS_AT_ONCE);
  const to = await mapKeys(plan.dirty, before.cleanedTo, latest, isAborted, pace);
  const filter = new BatchFilter({ latest, isAborted, cleanedTo: before.cleanedTo, to, now, deleteRetentionMs });
  const affected = plan.segments.filter(({ baseOffset }) => baseOffset < to);
  for (const group of groupSegments(affected, round.segmentBytes)) {
    if (!(await cleanGroup(round, group, filter, pace))) return undefined;
  }
  return { cleanedTo: to, nextHorizon: Number.isFinite(filter.nextHorizon) ? filter.nextHorizon : null };
}

/** Notes the last offset of each key from `from` on, and returns up to where: the end, or where the memory was full. */
async function mapKeys(dirty: readonly Segment[], from: number, latest: KeyOffsets, isAborted: AbortedLookup, pace: Pace): Promise<number> {
  let to = from;
  for (const segment of dirty) {
    for (const { header, intact, bytes } of segment.batches()) {
      if (header.lastOffset < from || !intact) continue;
      if (latest.isFull) return header.baseOffset;
      to = header.lastOffset + 1;
      await pace.after(header.size);
      if (pace.stopped) return to;
      if (isControl(header) || (isTransactional(header) && isAborted(header.producerId, header.baseOffset))) continue;
      for (const { key, offset } of readRecords(bytes, header)?.records ?? []) if (key) latest.set(key, offset);
    }
  }
  return to;
}

/** False if compaction has to stop. */
async function cleanGroup(
  round: CompactionRound,
  group: readonly [Segment, ...Segment[]],
  filter: BatchFilter,
  pace: Pace,
): Promise<boolean> {
  const path = cleanedFile(round.folder, group[0].baseOffset);
  rmSync(path, { force: true });
  const file = new AppendFile(path);
  try {
    const changed = await writeCleaned(group, filter, file, pace);
    if (pace.stopped) return false;
    if (!changed && group.length === 1) return true;
    await file.flush();
    return !pace.stopped && round.replace(group);
  } finally {
    await file.close();
    rmSync(path, { force: true }); // there is none where it has become a segment
  }
}

async function writeCleaned(group: readonly Segment[], filter: BatchFilter, file: AppendFile, pace: Pace): Promise<boolean> {
  let changed = false;
  let waiting: Buffer[] = [];
  let size = 0;
  const write = (): void => {
    file.append(Buffer.concat(waiting));
    waiting = [];
    size = 0;
  };
  for (const batch of batchesOf(group)) {
    const kept = filter.apply(batch);
    changed ||= kept !== batch.bytes;
    if (kept) {
      waiting.push(kept);
      size += kept.length;
    }
    if (size >= WRITE_BYTES) write();
    await pace.after(batch.header.size);
    if (pace.stopped) return changed;
  }
  write();
  return changed;
}

function* batchesOf(segments: readonly Segment[]): Generator<ReadBatch, void, undefined> {
  for (const segment of segments) if (segment.size > 0) yield* segment.batches();
}

type AbortedLookup = (producerId: number, offset: number) => boolean;

function abortedLookup(aborted: readonly AbortedTransaction[]): AbortedLookup {
  const byProducer = Map.groupBy(aborted, ({ producerId }) => producerId);
  return (producerId, offset) =>
    byProducer.get(producerId)?.some(({ firstOffset, lastOffset }) => firstOffset <= offset && offset <= lastOffset) ?? false;
}

/** Lets others have their turn now and then, and says whether to go on after it. */
class Pace {
  readonly #signal: AbortSignal;
  #bytes = 0;

  constructor(signal: AbortSignal) {
    this.#signal = signal;
  }

  get stopped(): boolean {
    return this.#signal.aborted;
  }

  async after(bytes: number): Promise<void> {
    this.#bytes += bytes;
    if (this.#bytes < BYTES_A_TURN) return;
    this.#bytes = 0;
    await turn();
  }
}
