import type { WrittenBlock } from '../../delta/index.ts';
import type { WriterTable } from './row-maker.ts';

/**
 * Rows of a batch that become data files while the batch before it is written: DuckDB works on both at once, and neither waits
 * for the other's files to be durable, nor for its commit.
 */
export class StagedRows<Entry> {
  readonly #table: Pick<WriterTable, 'discard'>;
  readonly #entries: readonly Entry[];
  /** Null once somebody has it. */
  #block: Promise<WrittenBlock> | null;

  constructor(table: Pick<WriterTable, 'discard'>, entries: readonly Entry[], block: Promise<WrittenBlock>) {
    this.#table = table;
    this.#entries = entries;
    this.#block = block;
    this.#block.catch(() => {}); // told to whoever takes it
  }

  /** The files, once, where they hold just these entries; else null. Fails as an append of the rows would. */
  take(entries: readonly Entry[]): Promise<WrittenBlock> | null {
    const block = this.#block;
    if (block === null || entries.length !== this.#entries.length || entries.some((entry, at) => entry !== this.#entries[at])) return null;
    this.#block = null;
    return block;
  }

  /** Deletes the files that nobody took. */
  async discard(): Promise<void> {
    const block = this.#block;
    this.#block = null;
    const written = await block?.catch(() => null);
    if (written !== null && written !== undefined) await this.#table.discard(written);
  }
}
