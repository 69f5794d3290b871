/** Offsets from one up to another, which does not belong to it. */
export interface Span {
  readonly from: number;
  readonly to: number;
}

/** Fewer settled offsets among open ones are not worth a new list. */
const WORTH_PACKING = 4096;

/**
 * What became of the records of one partition. A delivered record is open until it is settled; the watermark, which is
 * what may be committed, is the lowest open offset. Offsets are plain numbers here: 2^53 lasts 285 years at a million
 * records a second.
 *
 * Its memory follows from what is open, however many records are settled above one that stays open.
 */
export class Ledger {
  /** The first offset that may be delivered. */
  readonly start: number;
  /** Delivered offsets in order. Those before `#head` are settled, and those that are stored as {@link settledMark}. */
  #delivered: number[] = [];
  #head = 0;
  /** Settled ones at or after `#head`. */
  #ahead = 0;
  /** The offset after the last one that was settled ahead of an open one. */
  #aheadEnd = 0;
  /** The offset after the last one that the broker covered, records that no reader sees included. */
  #end: number;
  #settled = 0;
  #invisible = 0;
  /** Settled by an owner before us, in order; those behind `#end` are of no use any more. */
  #resumed: readonly Span[];
  #resumedHead = 0;

  /**
   * @param start the committed offset
   * @param resumed what was settled at or above it when that was committed, in order
   */
  constructor(start: number, resumed: readonly Span[] = []) {
    this.start = start;
    this.#end = start;
    this.#resumed = resumed;
  }

  /** Whether the offset was delivered before; a broker may send again what was fetched before a seek or a pause. */
  seen(offset: number): boolean {
    return offset < this.#end;
  }

  /** Marks a record as open. Offsets rise. */
  deliver(offset: number): void {
    this.#delivered.push(offset);
    this.#invisible += offset - this.#end;
    this.#end = offset + 1;
  }

  /** Passes a record that an owner before us has settled; false where it has not, and the record must be delivered. Offsets rise. */
  passSettled(offset: number): boolean {
    let span = this.#resumed[this.#resumedHead];
    while (span !== undefined && span.to <= offset) span = this.#resumed[++this.#resumedHead];
    if (span === undefined || offset < span.from) return false;
    this.#invisible += offset - this.#end;
    this.#end = offset + 1;
    this.#aheadEnd = this.#end;
    this.#settled++;
    return true;
  }

  /** Everything up to this offset was fetched: what was not delivered is invisible (control records, compaction). */
  cover(lastOffset: number): void {
    if (lastOffset < this.#end) return;
    this.#invisible += lastOffset + 1 - this.#end;
    this.#end = lastOffset + 1;
  }

  /** A delivered record has found its end. A second time changes nothing. */
  settle(offset: number): void {
    if (this.#delivered[this.#head] === offset) {
      this.#head++;
      this.#settled++;
      while (this.#ahead > 0 && isSettled(this.#delivered[this.#head])) {
        this.#head++;
        this.#ahead--;
      }
      if (this.#head > WORTH_PACKING && this.#head * 2 > this.#delivered.length) this.#pack();
      return;
    }
    const index = this.#indexOf(offset);
    if (index < 0) return;
    this.#delivered[index] = settledMark(offset);
    this.#ahead++;
    this.#settled++;
    if (offset >= this.#aheadEnd) this.#aheadEnd = offset + 1;
    if (this.#ahead > WORTH_PACKING && this.#ahead * 2 > this.#delivered.length - this.#head) this.#pack();
  }

  /** Where an open offset stands in the list, or −1. */
  #indexOf(offset: number): number {
    let low = this.#head;
    let high = this.#delivered.length - 1;
    while (low <= high) {
      const middle = (low + high) >>> 1;
      const found = this.#delivered[middle] as number;
      if (found === offset) return middle;
      if ((found < 0 ? settledMark(found) : found) < offset) low = middle + 1;
      else high = middle - 1;
    }
    return -1;
  }

  #pack(): void {
    this.#delivered = this.#ahead === 0 ? this.#delivered.slice(this.#head) : this.#delivered.slice(this.#head).filter((one) => one >= 0);
    this.#head = 0;
    this.#ahead = 0;
  }

  isOpen(offset: number): boolean {
    return this.#indexOf(offset) >= 0;
  }

  /** The lowest open offset, or the end of what was covered: what may be committed. */
  get watermark(): number {
    return this.#delivered[this.#head] ?? this.#end;
  }

  /** Records delivered and not settled. */
  get open(): number {
    return this.#delivered.length - this.#head - this.#ahead;
  }

  /** Records from `start` on that are settled, those of an owner before us included once they were fetched again. */
  get settled(): number {
    return this.#settled;
  }

  /** Offsets from `start` to `end` at which no record was seen. */
  get invisible(): number {
    return this.#invisible;
  }

  /** Offset after the last one delivered or covered. */
  get end(): number {
    return this.#end;
  }

  /** Offset after the last one that an owner before us has settled, or `end`. */
  get resumedEnd(): number {
    return Math.max(this.#end, this.#resumed.at(-1)?.to ?? 0);
  }

  /** What an owner before us has settled is delivered all the same. */
  forgetResumed(): void {
    this.#resumed = [];
    this.#resumedHead = 0;
  }

  /** What need not be read again above the watermark, in order: settled offsets, and those that nobody sees between them. */
  *settledAhead(): Generator<Span> {
    let from = this.watermark;
    for (let index = this.#head; index < this.#delivered.length && from < this.#aheadEnd; index++) {
      const open = this.#delivered[index] as number;
      if (open < 0) continue;
      if (open > from) yield { from, to: open };
      from = open + 1;
    }
    if (from < this.#aheadEnd) yield { from, to: this.#end };
    for (let index = this.#resumedHead; index < this.#resumed.length; index++) {
      const span = this.#resumed[index] as Span;
      if (span.to > this.#end) yield { from: Math.max(span.from, this.#end), to: span.to };
    }
  }
}

/** How a settled offset is kept among open ones; of that, the offset again. Always negative for an offset. */
const settledMark = (offset: number): number => -1 - offset;
const isSettled = (stored: number | undefined): boolean => stored !== undefined && stored < 0;
