/** So many of the last records are looked at. */
const SIZE = 200;
/** Fewer bad records than this raise no alert. */
const FEWEST_BAD = 10;
/** Stands for an unreadable or rejected record. No cause is empty. */
const BAD = '';

/** When many records that fail alike are an outage. */
export interface OutageLimits {
  /** Part of the last records, 0 to 1, that must be exceeded. */
  readonly share: number;
  /** Different keys that must be among them: one record that fails again and again is none. */
  readonly keys: number;
}

export interface FailureWindowOptions extends OutageLimits {
  /** The share of unreadable and rejected records has become high, or is low again. */
  readonly onBad?: (high: boolean, share: number) => void;
}

/** What became of the last records of a worker, to tell an outage from poison. A record that passes costs a few assignments. */
export class FailureWindow {
  readonly #options: FailureWindowOptions;
  /** Null for a record that passed. */
  readonly #causes: (string | null)[] = new Array<null>(SIZE).fill(null);
  readonly #keys: string[] = new Array<string>(SIZE).fill('');
  readonly #counts = new Map<string, number>();
  #next = 0;
  #filled = 0;
  #tooBad = false;

  constructor(options: FailureWindowOptions) {
    this.#options = options;
  }

  passed(): void {
    const at = this.#advance();
    this.#causes[at] = null;
  }

  /** Notes a failure that may pass. True where it belongs to an outage. */
  failed(cause: string, key: string): boolean {
    this.#note(cause, key);
    const { share, keys } = this.#options;
    if ((this.#counts.get(cause) ?? 0) <= share * this.#filled) return false;
    const seen = new Set<string>();
    for (let at = 0; at < this.#filled; at++) if (this.#causes[at] === cause) seen.add(this.#keys[at] as string);
    return seen.size >= keys;
  }

  /** Notes a record that is unreadable or was rejected: never a sign of an outage. */
  bad(): void {
    this.#note(BAD, '');
    if (this.#tooBad || (this.#counts.get(BAD) ?? 0) < FEWEST_BAD || this.badShare <= this.#options.share) return;
    this.#tooBad = true;
    this.#options.onBad?.(true, this.badShare);
  }

  /** Unreadable and rejected ones among the last records, 0 to 1. */
  get badShare(): number {
    return this.#filled === 0 ? 0 : (this.#counts.get(BAD) ?? 0) / this.#filled;
  }

  /** The outage is over: what came before it counts no more. */
  clear(): void {
    this.#causes.fill(null);
    this.#counts.clear();
    this.#next = 0;
    this.#filled = 0;
    this.#calm();
  }

  #note(cause: string, key: string): void {
    const at = this.#advance();
    this.#causes[at] = cause;
    this.#keys[at] = key;
    this.#counts.set(cause, (this.#counts.get(cause) ?? 0) + 1);
  }

  /** The place of the next record, cleared of the one that leaves the window. */
  #advance(): number {
    const at = this.#next;
    this.#next = at + 1 === SIZE ? 0 : at + 1;
    if (this.#filled < SIZE) this.#filled++;
    const gone = this.#causes[at];
    if (typeof gone === 'string') this.#forget(gone);
    return at;
  }

  #forget(cause: string): void {
    const left = (this.#counts.get(cause) ?? 0) - 1;
    if (left > 0) this.#counts.set(cause, left);
    else this.#counts.delete(cause);
    if (cause === BAD) this.#calm();
  }

  /** Ends the alert at half of what raised it, so that it does not flicker around its limit. */
  #calm(): void {
    if (!this.#tooBad || this.badShare * 2 > this.#options.share) return;
    this.#tooBad = false;
    this.#options.onBad?.(false, this.badShare);
  }
}
