/**
 * What became of the records of one partition. A delivered record is open until it is settled; the watermark, which is
 * what may be committed, is the lowest open offset. Offsets are plain numbers here: 2^53 lasts 285 years at a million
 * records a second.
 */
export class Ledger {
  /** Delivered offsets in order; those before `#head` are settled. */
  #delivered: number[] = [];
  #head = 0;
  /** Settled ahead of an open one. */
  readonly #ahead = new Set<number>();
  /** The offset after the last one that the broker covered, records that no reader sees included. */
  #end: number;

  /** @param start the first offset that may be delivered: the committed one */
  constructor(start: number) {
    this.#end = start;
  }

  /** Whether the offset was delivered before; a broker may send again what was fetched before a seek or a pause. */
  seen(offset: number): boolean {
    return offset < this.#end;
  }

  /** Marks a record as open. Offsets rise. */
  deliver(offset: number): void {
    this.#delivered.push(offset);
    this.#end = offset + 1;
  }

  /** Everything up to this offset was fetched: what was not delivered is invisible (control records, compaction). */
  cover(lastOffset: number): void {
    if (lastOffset >= this.#end) this.#end = lastOffset + 1;
  }

  settle(offset: number): void {
    if (this.#delivered[this.#head] !== offset) {
      this.#ahead.add(offset);
      return;
    }
    this.#head++;
    while (this.#head < this.#delivered.length && this.#ahead.delete(this.#delivered[this.#head] as number)) this.#head++;
    if (this.#head > 4096 && this.#head * 2 > this.#delivered.length) {
      this.#delivered = this.#delivered.slice(this.#head);
      this.#head = 0;
    }
  }

  /** The lowest open offset, or the end of what was covered: what may be committed. */
  get watermark(): number {
    return this.#delivered[this.#head] ?? this.#end;
  }

  /** Records delivered and not settled. */
  get open(): number {
    return this.#delivered.length - this.#head - this.#ahead.size;
  }

  /** Offset after the last one delivered or covered. */
  get end(): number {
    return this.#end;
  }
}
