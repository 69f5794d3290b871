import type { CompactionState } from './compaction-state.ts';
import type { Segment } from './segment.ts';

/** A topic's settings for `cleanup.policy=compact`. */
export interface CompactionLimits {
  readonly deleteRetentionMs: number;
  readonly minCleanableRatio: number;
  /** A record stays for so long, whatever comes after it. */
  readonly minLagMs: number;
  /** After so long a record is compacted, however little there is to gain. */
  readonly maxLagMs: number;
  /** After so long a segment is ended, so that compaction can have it. */
  readonly segmentMs: number;
}

export interface CompactionPlan {
  /** From the oldest on. Their last `dirty` have not been compacted yet. */
  readonly segments: readonly Segment[];
  readonly dirty: readonly Segment[];
}

/** What of a log may be compacted now, or undefined where it is not worth it or nothing may. `undecidedFrom`: the last stable offset. */
export function planCompaction(
  all: readonly Segment[],
  limits: CompactionLimits,
  state: CompactionState,
  now: number,
  undecidedFrom: number,
): CompactionPlan | undefined {
  const last = all.findLastIndex(({ size }) => size > 0);
  // Never the segment that is written to, nor the last batch of the log: a reader must be able to reach the end.
  const candidates = all.slice(0, Math.max(last, 0));
  const blocked = candidates.findIndex(
    ({ nextOffset, maxTimestamp }) => nextOffset > undecidedFrom || maxTimestamp > now - limits.minLagMs,
  );
  const segments = blocked < 0 ? candidates : candidates.slice(0, blocked);
  const dirty = segments.filter(({ nextOffset, size }) => size > 0 && nextOffset > state.cleanedTo);
  const horizonPassed = state.nextHorizon !== null && now >= state.nextHorizon && segments.length > 0;
  if (dirty.length === 0) return horizonPassed ? { segments, dirty } : undefined;
  const ratio = sizeOf(dirty) / sizeOf(segments);
  const overdue = dirty.some(({ firstTimestamp }) => firstTimestamp < now - limits.maxLagMs);
  return ratio > limits.minCleanableRatio || overdue || horizonPassed ? { segments, dirty } : undefined;
}

/** Neighbours that fit into one segment together: small leftovers of earlier compactions become one file again. */
export function groupSegments(segments: readonly Segment[], segmentBytes: number): readonly (readonly [Segment, ...Segment[]])[] {
  const groups: [Segment, ...Segment[]][] = [];
  let size = 0;
  for (const segment of segments) {
    const group = groups.at(-1);
    if (group && size + segment.size <= segmentBytes) {
      group.push(segment);
      size += segment.size;
    } else {
      groups.push([segment]);
      ({ size } = segment);
    }
  }
  return groups;
}

function sizeOf(segments: readonly Segment[]): number {
  return segments.reduce((sum, { size }) => sum + size, 0);
}
