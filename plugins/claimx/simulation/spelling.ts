import type { Random } from 'pipeline-host/testing';

/** The many ways in which the API writes one value. Each is read as the value that it was given. */
export class Spelling {
  readonly #random: Random;

  constructor(random: Random) {
    this.#random = random;
  }

  /** A number or its digits; digits alone where a double would change it. */
  id(digits: string | null): unknown {
    if (digits === null) return null;
    return Number.isSafeInteger(Number(digits)) && this.#chance(0.5) ? Number(digits) : digits;
  }

  flag(value: boolean): unknown {
    return this.#chance(0.7) ? value : this.#random.pick(value ? ['true', 'Yes', '1', 1] : ['false', 'no', '0', 0]);
  }

  /** Blanks around it now and then; null as null or a blank text. */
  text(value: string | null): unknown {
    if (value === null) return this.#random.pick([null, null, '', '  ']);
    return this.#chance(0.1) ? ` ${value} ` : value;
  }

  /** An instant that is written `+00:00` in tables. */
  instant(value: string | null): unknown {
    return value === null ? null : this.#chance(0.7) ? value.replace('+00:00', 'Z') : value;
  }

  number(value: number | string | null): unknown {
    return value !== null && this.#chance(0.3) ? String(value) : value;
  }

  /** The answer itself, or inside one of these wrappers. */
  wrapped(value: unknown, ...wrappers: readonly string[]): unknown {
    const wrapper = this.#random.pick(['', ...wrappers]);
    return wrapper === '' ? value : { [wrapper]: value };
  }

  /** A list, or its only item without one. */
  list(items: readonly unknown[]): unknown {
    return items.length === 1 && this.#chance(0.2) ? items[0] : items;
  }

  #chance(share: number): boolean {
    return this.#random.next() < share;
  }
}
