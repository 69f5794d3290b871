/** A partition as DuckDB wrote rows into it. */
export interface Partition {
  /** Its folder below the table's, as on disk: `day=2026-01-01`. */
  readonly folder: string;
  /** DuckDB's text of its columns' values. */
  readonly keys: ReadonlyMap<string, string | null>;
}

/**
 * The partition that all rows of a table's next block are probably in, as with a stream of events that is partitioned by
 * day. A wrong guess costs a part of the block's work, so a table that never lived up to one needs two blocks in the same
 * partition for the next, and any other needs one.
 */
export class PartitionGuess {
  #next: Partition | null = null;
  #last: Partition | null = null;
  #wasRight = false;
  #isSteady = false;

  get next(): Partition | null {
    return this.#next;
  }

  /** A block that was written without a guess was in this partition alone, null for several. */
  learn(only: Partition | null): void {
    const again = only !== null && only.folder === this.#last?.folder;
    this.#next = again || this.#isSteady ? only : null;
    this.#last = only;
  }

  right(guess: Partition): void {
    if (guess !== this.#next) return;
    this.#wasRight = true;
    this.#isSteady = true;
  }

  /** Several blocks may have been begun with the same guess: only the first says something of it. */
  wrong(guess: Partition): void {
    if (guess !== this.#next) return;
    this.#isSteady = this.#wasRight;
    this.#wasRight = false;
    this.#next = null;
  }
}
