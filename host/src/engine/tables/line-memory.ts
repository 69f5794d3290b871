const FIRST_BYTES = 256 * 1024;
/** Batches at once: one fills, one becomes files, one is committed. */
const MOST_IDLE = 3;
/** Memory of this many times what a batch needed says that the time of such batches is over. */
const TOO_LARGE = 4;
const LINE_FEED = 0x0a;

/** The lines that one batch has for one table, one after the other. */
export class LineBlock {
  #memory: Buffer;
  #at = 0;
  /** Of memory that was full and is left behind. */
  #before = 0;
  #lines = 0;

  constructor(memory: Buffer) {
    this.#memory = memory;
  }

  get memory(): Buffer {
    return this.#memory;
  }
  /** Of all lines with their line feeds. */
  get bytes(): number {
    return this.#before + this.#at;
  }

  /** All lines with their line feeds, if there are so many and they lie in one piece; else null. */
  whole(lines: number): Buffer | null {
    return lines === this.#lines && this.#before === 0 ? this.#memory.subarray(0, this.#at) : null;
  }

  /** The line as UTF-8, and behind it a line feed that is not part of it. */
  add(text: string): Buffer {
    const most = 3 * text.length + 1; // no UTF-16 unit takes more
    if (this.#at + most > this.#memory.length) this.#goOn(most);
    const start = this.#at;
    const end = start + this.#memory.write(text, start, 'utf8');
    this.#memory[end] = LINE_FEED;
    this.#at = end + 1;
    this.#lines++;
    return this.#memory.subarray(start, end);
  }

  /** In memory that is longer than all before. The lines that are there stay where they are, since others look at them. */
  #goOn(bytes: number): void {
    this.#before += this.#at;
    this.#at = 0;
    this.#memory = Buffer.allocUnsafeSlow(Math.max(2 * this.#memory.length, bytes));
  }
}

/**
 * Memory for the lines of one table, the same for one batch after the other: memory that is allocated anew has the kernel clear
 * its pages, and V8 collect its whole heap every few batches (with 10,000 rows of 2.4 KB a batch, a tenth of a writer's CPU).
 */
export class LineMemory {
  readonly #idle: Buffer[] = [];
  #latest: LineBlock | null = null;

  take(): LineBlock {
    this.#latest = new LineBlock(this.#idle.pop() ?? Buffer.allocUnsafeSlow(wantedAfter(this.#latest?.bytes ?? 0)));
    return this.#latest;
  }

  /** Nobody may look at the block's lines any more. */
  give({ memory, bytes }: LineBlock): void {
    const isOfUse = bytes <= memory.length && memory.length <= TOO_LARGE * wantedAfter(bytes);
    if (isOfUse && this.#idle.length < MOST_IDLE) this.#idle.push(memory);
  }
}

/** For a batch after one of so many bytes: it may be a little longer. */
function wantedAfter(bytes: number): number {
  return Math.max(FIRST_BYTES, bytes + (bytes >> 2));
}

/** Where the lines of one batch lie. */
export class BatchLines {
  readonly #blocks = new Map<LineMemory, LineBlock>();

  block(memory: LineMemory): LineBlock {
    let block = this.#blocks.get(memory);
    if (block === undefined) {
      block = memory.take();
      this.#blocks.set(memory, block);
    }
    return block;
  }

  /** The batch is written, or never will be: nobody may look at its lines any more. */
  release(): void {
    for (const [memory, block] of this.#blocks) memory.give(block);
    this.#blocks.clear();
  }
}
