import { createHash } from 'node:crypto';

/** Keys up to this long stand for themselves, longer ones are told apart by their hash. */
const LONGEST_PLAIN_KEY = 32;

/** The last offset of each key in a stretch of a log. */
export class KeyOffsets {
  readonly #offsets = new Map<string, number>();
  readonly #capacity: number;

  constructor(capacity: number) {
    this.#capacity = capacity;
  }

  get isFull(): boolean {
    return this.#offsets.size >= this.#capacity;
  }

  /** Offsets must come in their order. */
  set(key: Buffer, offset: number): void {
    this.#offsets.set(nameOf(key), offset);
  }

  /** -1 for a key that does not occur. */
  get(key: Buffer): number {
    return this.#offsets.get(nameOf(key)) ?? -1;
  }
}

function nameOf(key: Buffer): string {
  if (key.length <= LONGEST_PLAIN_KEY) return key.toString('latin1');
  return createHash('sha256').update(key).digest('base64'); // longer than any plain key
}
