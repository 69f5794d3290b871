/** Blocks on their way at once: one becomes files while the one before it is committed. */
const MOST_IDLE = 2;
/** Memory of this many times a block's length says that the time of such blocks is over. */
const TOO_LARGE = 4;

/**
 * Memory for blocks of rows, the same for one after the other: blocks of tens of megabytes that are allocated anew have V8 collect
 * its whole heap every few of them (with 10,000 rows of 1 KB a block, a fifth of a writer's CPU), and the kernel clear their pages.
 */
export class BlockMemory {
  readonly #idle: Buffer[] = [];

  /** Runs `use` with so many bytes, which hold anything. Once it has ended nobody may look at them. */
  async lend<T>(bytes: number, use: (memory: Buffer) => Promise<T>): Promise<T> {
    const memory = this.#take(bytes);
    try {
      return await use(memory.subarray(0, bytes));
    } finally {
      if (this.#idle.length < MOST_IDLE) this.#idle.push(memory);
    }
  }

  #take(bytes: number): Buffer {
    const idle = this.#idle.pop();
    if (idle !== undefined && idle.length >= bytes && idle.length <= TOO_LARGE * bytes) return idle;
    this.#idle.length = 0;
    return Buffer.allocUnsafeSlow(bytes + (bytes >> 3)); // the next one may be a little longer
  }
}
