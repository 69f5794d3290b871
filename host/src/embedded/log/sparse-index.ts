/** Where in a segment file to begin looking for an offset or a time: one entry for every 4 KB of log or larger batch. */
export interface IndexEntry {
  readonly offset: number;
  readonly position: number;
  /** The largest timestamp of all batches before this entry. */
  readonly maxTimestampBefore: number;
}

export const INDEX_INTERVAL = 4096;

export class SparseIndex {
  readonly #entries: IndexEntry[] = [];

  add(offset: number, position: number, maxTimestampBefore: number): void {
    const last = this.#entries.at(-1);
    if (!last || position - last.position >= INDEX_INTERVAL) this.#entries.push({ offset, position, maxTimestampBefore });
  }

  /** The file position of a batch at or before the one that holds `offset`. */
  positionOf(offset: number): number {
    return this.#last((entry) => entry.offset <= offset);
  }

  /** A file position before which every record is older than `timestamp`. */
  positionOfTime(timestamp: number): number {
    return this.#last((entry) => entry.maxTimestampBefore < timestamp);
  }

  /** Both predicates hold up to some entry and for none after it. */
  #last(holds: (entry: IndexEntry) => boolean): number {
    let low = 0;
    let high = this.#entries.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (holds(this.#entries[middle] as IndexEntry)) low = middle + 1;
      else high = middle;
    }
    return this.#entries[low - 1]?.position ?? 0;
  }
}
