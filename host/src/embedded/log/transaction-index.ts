/** A transaction of one producer in one partition that was aborted: consumers of committed records leave its records out. */
export interface AbortedTransaction {
  readonly producerId: number;
  readonly firstOffset: number;
  /** The offset of its marker. */
  readonly lastOffset: number;
}

export interface TransactionSnapshot {
  readonly open: readonly (readonly [producerId: number, firstOffset: number])[];
  readonly aborted: readonly (readonly [producerId: number, firstOffset: number, lastOffset: number])[];
}

/** The transactions of one partition: those that are open, and those whose records are in the log but do not count. */
export class TransactionIndex {
  /** First offset by producer, in the order of the offsets. */
  readonly #open = new Map<number, number>();
  /** In the order of their markers. */
  #aborted: AbortedTransaction[] = [];

  /** The first record that is not decided yet. */
  get firstOpenOffset(): number | undefined {
    for (const offset of this.#open.values()) return offset;
    return undefined;
  }

  openProducers(): readonly number[] {
    return [...this.#open.keys()];
  }

  isOpen(producerId: number): boolean {
    return this.#open.has(producerId);
  }

  /** Takes note of a record in a transaction. */
  extend(producerId: number, offset: number): void {
    if (!this.#open.has(producerId)) this.#open.set(producerId, offset);
  }

  /** Takes note of the marker at `lastOffset`. */
  end(producerId: number, lastOffset: number, committed: boolean): void {
    const firstOffset = this.#open.get(producerId);
    this.#open.delete(producerId);
    if (firstOffset !== undefined && !committed) this.#aborted.push({ producerId, firstOffset, lastOffset });
  }

  /** False where a reader of `from` and later meets no aborted transaction. */
  hasAbortedFrom(from: number): boolean {
    return (this.#aborted.at(-1)?.lastOffset ?? -1) >= from;
  }

  /** Those that a reader of `from` up to `before` may meet, by their first offsets. */
  abortedWithin(from: number, before: number): readonly AbortedTransaction[] {
    return this.#aborted
      .filter(({ firstOffset, lastOffset }) => lastOffset >= from && firstOffset < before)
      .sort((a, b) => a.firstOffset - b.firstOffset);
  }

  /** Forgets aborted transactions that end before `offset`: their records are no longer in the log. */
  forgetBefore(offset: number): void {
    if ((this.#aborted[0]?.lastOffset ?? offset) >= offset) return;
    this.#aborted = this.#aborted.filter(({ lastOffset }) => lastOffset >= offset);
  }

  snapshot(): TransactionSnapshot {
    return { open: [...this.#open], aborted: this.#aborted.map((entry) => [entry.producerId, entry.firstOffset, entry.lastOffset]) };
  }

  restore({ open, aborted }: TransactionSnapshot): void {
    this.#open.clear();
    for (const [producerId, firstOffset] of open) this.#open.set(producerId, firstOffset);
    this.#aborted = aborted.map(([producerId, firstOffset, lastOffset]) => ({ producerId, firstOffset, lastOffset }));
  }
}
