import { StorageFailure, type WriteBytes } from '../storage/append-file.ts';
import { syncFolder } from '../storage/atomic-file.ts';
import type { StoredBatchHeader } from './log-producers.ts';
import type { TimedOffset } from './record-timestamps.ts';
import { Segment } from './segment.ts';
import { openSegmentFiles, swapSegments } from './segment-files.ts';

/** The segments of a log, oldest first: never none, and only the last is written to. */
export class SegmentList {
  readonly #folder: string;
  readonly #write: WriteBytes | undefined;
  readonly #segments: Segment[];

  /** Opens the segments of a folder. One without any needs a {@link roll}. */
  constructor(folder: string, write: WriteBytes | undefined) {
    this.#folder = folder;
    this.#write = write;
    this.#segments = openSegmentFiles(folder).map((base) => new Segment(folder, base, write));
  }

  get all(): readonly Segment[] {
    return this.#segments;
  }

  get oldest(): Segment {
    return this.#segments[0] as Segment;
  }

  get active(): Segment {
    return this.#segments.at(-1) as Segment;
  }

  /** Begins a new segment. */
  roll(baseOffset: number): void {
    let segment: Segment;
    try {
      segment = new Segment(this.#folder, baseOffset, this.#write);
    } catch (cause) {
      throw new StorageFailure(`cannot begin a segment in ${this.#folder}`, { cause });
    }
    this.#segments.push(segment);
    syncFolder(this.#folder);
  }

  /** Removes segments that lie wholly before `offset`. */
  removeBefore(offset: number): void {
    while ((this.#segments[1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= offset) this.#segments.shift()?.remove();
  }

  /** Puts what compaction made of neighbouring segments in their place; false if they are no longer all here. */
  replace(sources: readonly [Segment, ...Segment[]]): boolean {
    const [first, ...others] = sources;
    const at = this.#segments.indexOf(first);
    if (at < 0 || others.some((segment, i) => this.#segments[at + 1 + i] !== segment)) return false;
    swapSegments(this.#folder, [first.baseOffset, ...others.map(({ baseOffset }) => baseOffset)]);
    this.#segments.splice(at, sources.length, new Segment(this.#folder, first.baseOffset, this.#write));
    for (const segment of sources) void segment.close();
    return true;
  }

  /** See {@link Segment.read}; goes on to later segments where compaction has left nothing at the end of one. */
  read(offset: number, maxBytes: number, before: number): Buffer | undefined {
    const first = this.#segments.findLastIndex((segment) => segment.baseOffset <= offset);
    for (const segment of this.#segments.slice(Math.max(first, 0))) {
      const found = segment.size > 0 ? segment.read(offset, maxBytes, before) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  findTime(timestamp: number, minOffset: number): TimedOffset | undefined {
    for (const segment of this.#segments) {
      const found = segment.maxTimestamp >= timestamp ? segment.findTime(timestamp, minOffset) : undefined;
      if (found) return found;
    }
    return undefined;
  }

  /** The headers of all batches from an offset on. */
  *headers(from: number): Generator<StoredBatchHeader, void, undefined> {
    for (const [i, segment] of this.#segments.entries()) {
      if ((this.#segments[i + 1]?.baseOffset ?? Number.POSITIVE_INFINITY) > from) yield* segment.headers(from);
    }
  }

  async flush(): Promise<void> {
    await Promise.all(this.#segments.filter((segment) => segment.pending).map((segment) => segment.flush()));
  }

  async close(): Promise<void> {
    await Promise.all(this.#segments.map((segment) => segment.close()));
  }
}
