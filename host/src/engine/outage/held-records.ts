/** A few more than there are may be remembered as the latest. */
const SLACK = 64;

/**
 * The records that wait for a dependency, in the order in which they are to try it: first those that have not asked it yet,
 * then those that did and failed, the oldest first. Of those that have not, the oldest are first too, until one fails: then
 * the latest, until one of them fails, and so on. What fails for its own reasons so holds nothing for long that would be done,
 * not even where it came in numbers.
 */
export class HeldRecords<Item> {
  readonly #unasked = new Set<Item>();
  readonly #failed = new Set<Item>();
  /** Those that have not asked it as they came, and some that are gone. */
  #arrivals: Item[] = [];
  #latestFirst = false;

  get size(): number {
    return this.#unasked.size + this.#failed.size;
  }

  /** How many have not asked it. */
  get unasked(): number {
    return this.#unasked.size;
  }

  *[Symbol.iterator](): Iterator<Item> {
    yield* this.#unasked;
    yield* this.#failed;
  }

  /** @param failed the record has asked the dependency in vain */
  add(item: Item, failed: boolean): void {
    this.delete(item);
    if (failed) {
      this.#failed.add(item);
      this.#latestFirst = !this.#latestFirst;
      return;
    }
    this.#unasked.add(item);
    if (this.#arrivals.length > 2 * this.#unasked.size + SLACK) this.#arrivals = [...this.#unasked];
    else this.#arrivals.push(item);
  }

  delete(item: Item): void {
    this.#unasked.delete(item);
    this.#failed.delete(item);
  }

  /** Takes out the next one. */
  take(): Item | undefined {
    const item = (this.#latestFirst ? this.#latest() : first(this.#unasked)) ?? first(this.#failed);
    if (item !== undefined) this.delete(item);
    return item;
  }

  #latest(): Item | undefined {
    for (let item = this.#arrivals.pop(); item !== undefined; item = this.#arrivals.pop()) if (this.#unasked.has(item)) return item;
    return undefined;
  }

  clear(): void {
    this.#unasked.clear();
    this.#failed.clear();
    this.#arrivals = [];
  }
}

function first<Item>(items: Iterable<Item>): Item | undefined {
  for (const item of items) return item;
  return undefined;
}
