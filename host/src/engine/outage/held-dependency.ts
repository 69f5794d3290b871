import { UnavailableError } from '@pipeline-host/sdk';
import type { Clock, Wait } from '../../clock.ts';
import type { ClassifiedFailure } from '../failure-class.ts';
import type { HeldStatus } from '../status.ts';
import { HeldRecords } from './held-records.ts';

/** Waits between probes. */
const FIRST_PROBE = 1_000;
const LAST_PROBE = 60_000;
/** Up to so much of a wait is added to it: many processes that met one outage must not probe in step. */
const JITTER = 0.25;
/** The other side may ask to be left alone for longer, but not for ever. */
const LONGEST_ASKED = 3_600_000;
/** After so long without a failure the next one begins a new outage. */
const FORGOTTEN = 120_000;
/** A key that met it counts for so long: what comes and goes is one outage. */
const REMEMBERED = 900_000;
/** Nobody is told of it more often. */
const QUIET = 60_000;
/** So many more of what waited may fail than are done, while the rest goes on. */
const MOST_CREDIT = 5;
/** So often must probes have failed each in its own way, with no sign of an outage between, until their failures are taken for their own. */
const FEWEST_UNSHARED = 3;

/** What a handler gets that asks a host which is held: it says of it nothing new. */
const REFUSED = 'PH_DEPENDENCY_HELD';

/** Whether the dependency was not asked at all, since it is held. */
export function isRefusal({ code }: ClassifiedFailure): boolean {
  return code === REFUSED;
}

/** Whether the dependency was not asked at all: such a failure says nothing of the record. */
export function wasNotAsked(failure: ClassifiedFailure): boolean {
  return isRefusal(failure) || failure.code === 'PH_API_LEFT_ALONE';
}

/** What a failure is held by: the dependency that it names, else its code. */
export function dependencyName({ code, dependency }: ClassifiedFailure): string {
  return dependency ?? code;
}

/** What it needs to know of a record. */
interface HeldItem {
  readonly identity: string;
  /** `records`: itself and those of its key that wait behind it. */
  readonly hold: { readonly records: number } | null;
}

export interface HeldDependencyOptions {
  readonly name: string;
  readonly failure: ClassifiedFailure;
  /** Different keys that make an outage. */
  readonly keys: number;
  readonly clock: Clock;
  readonly random: () => number;
  /** A record of it may probe. */
  readonly onDue: () => void;
}

/** A dependency that fails, the records that wait for it in memory, and when one of them is to try it next. */
export class FailingDependency<Item extends HeldItem> {
  readonly name: string;
  readonly held = new HeldRecords<Item>();
  /** `calm`: nothing waits for it. `released`: it works again, and those that waited go one after the other. */
  phase: 'calm' | 'held' | 'released' = 'calm';
  /** What it said last. */
  failure: ClassifiedFailure;
  /** The record that tries it. */
  probe: Item | null = null;
  /** Records that found no room and were put into delay lanes, since it began to fail. */
  postponed = 0;
  /** Records that met it for the first time, or came to wait behind one that had. */
  met = 0;
  /** Of these, those that asked it in vain. */
  metByAsking = 0;
  /** Of these, those that were done after all. */
  saved = 0;
  /** Since records wait for it. */
  failedProbes = 0;
  /** How often it worked again. */
  recoveries = 0;
  readonly #options: HeldDependencyOptions;
  /** The last ones that met it, and when, the oldest first: no more than make an outage. */
  readonly #keys = new Map<string, number>();
  /** Keys that met it since it last worked; no more than make an outage. */
  readonly #metAnew = new Set<string>();
  /** Epoch milliseconds. */
  #since = Date.now();
  #failedAt = 0;
  #wait = FIRST_PROBE;
  #unshared = 0;
  #credit = 0;
  /** Its outage was told of, and when one was last. */
  #told = false;
  #toldAt = 0;
  #nextProbe: number | null = null;
  #timer: Wait | null = null;

  constructor(options: HeldDependencyOptions) {
    this.#options = options;
    this.name = options.name;
    this.failure = options.failure;
  }

  /** Milliseconds since it began to fail. */
  get lasts(): number {
    return Date.now() - this.#since;
  }

  /** So many different keys meet it that no record's failure is its own. */
  get isOfMany(): boolean {
    const { keys } = this.#options;
    if (this.held.size >= keys) return true;
    const [oldest = 0] = this.#keys.values();
    return this.#keys.size >= keys && Date.now() - oldest < REMEMBERED;
  }

  /** It has stood a probe. */
  get isLasting(): boolean {
    return this.phase === 'held' && this.failedProbes > 0;
  }

  /**
   * Whether people are to be told of it now: once it has stood a probe, and not again and again where it comes and goes. It
   * counts as told then.
   */
  isToBeTold(): boolean {
    if (this.#told || !this.isLasting || Date.now() - this.#toldAt < QUIET) return false;
    this.#told = true;
    this.#toldAt = Date.now();
    return true;
  }

  /** Why it is not to be asked by any record but its probe: it fails for many keys, and has stood a probe. Null where it may be. */
  get refusal(): UnavailableError | null {
    if (!this.isLasting || this.#metAnew.size < this.#options.keys) return null;
    const { code, reason } = this.failure;
    return new UnavailableError(REFUSED, `${this.name} is not asked, since it fails: ${code}: ${reason}`, { dependency: this.name });
  }

  /** Notes a failure of a record that names it. */
  failed(item: Item, failure: ClassifiedFailure): void {
    const now = Date.now();
    if (this.phase === 'calm' && now - this.#failedAt > FORGOTTEN) {
      this.#since = now;
      this.postponed = 0;
    }
    this.#failedAt = now;
    this.#unshared = 0;
    if (isRefusal(failure)) return;
    this.failure = wasNotAsked(failure) ? { ...this.failure, retryAfter: failure.retryAfter } : failure;
    if (this.#metAnew.size < this.#options.keys) this.#metAnew.add(item.identity);
    this.#keys.delete(item.identity);
    this.#keys.set(item.identity, now);
    const [oldest] = this.#keys.keys();
    if (this.#keys.size > this.#options.keys && oldest !== undefined) this.#keys.delete(oldest);
  }

  /** Records wait for it from now on. */
  begin(): void {
    this.cancel();
    this.phase = 'held';
  }

  /** Whether a probe that failed without a sign of an outage still counts as one of this. */
  isStillSuspected(): boolean {
    return ++this.#unshared < Math.max(FEWEST_UNSHARED, this.held.size + 2);
  }

  probeFailed(): void {
    this.probe = null;
    this.failedProbes++;
  }

  /** The next probe after the growing wait, or when the other side wants to be asked again. */
  probeLater(asked = 0): void {
    if (this.#timer !== null || this.probe !== null) return;
    const own = Math.min(this.#wait * (1 + JITTER * this.#options.random()), LAST_PROBE);
    const wait = Math.max(own, Math.min(asked, LONGEST_ASKED));
    this.#wait = Math.min(this.#wait * 2, LAST_PROBE);
    this.#nextProbe = Date.now() + wait;
    this.#timer = this.#options.clock.after(wait, () => {
      this.cancel();
      this.#options.onDue();
    });
  }

  /** The next of those that waited, after a while. */
  releaseLater(milliseconds: number, release: () => void): void {
    this.cancel();
    this.#timer = this.#options.clock.after(milliseconds, () => {
      this.cancel();
      release();
    });
  }

  /** A record that needs it was done: what follows is another outage. */
  works(): void {
    this.recoveries++;
    this.#credit = 1;
    this.#failedAt = 0;
    this.#metAnew.clear();
    this.failedProbes = 0;
    this.#wait = FIRST_PROBE;
    this.phase = 'released';
    this.cancel();
  }

  /** A record that had waited for it was done. @param failed it had asked it in vain before */
  passed(failed: boolean): void {
    if (failed) this.saved++;
    this.#credit = Math.min(this.#credit + 1, MOST_CREDIT);
  }

  /** One that had waited failed again. Whether the others are to wait on: a few that fail beside many that are done are no outage. */
  lapses(): boolean {
    return --this.#credit <= 0;
  }

  /** Nothing waits for it any more. True where people were told that something does. */
  rest(): boolean {
    const told = this.#told;
    this.phase = 'calm';
    this.probe = null;
    this.held.clear();
    this.#unshared = 0;
    this.#metAnew.clear();
    this.failedProbes = 0;
    this.#wait = FIRST_PROBE;
    this.#told = false;
    this.cancel();
    return told;
  }

  cancel(): void {
    this.#timer?.cancel();
    this.#timer = null;
    this.#nextProbe = null;
  }

  status(): HeldStatus {
    const { code, reason } = this.failure;
    const items = this.probe === null ? [...this.held] : [this.probe, ...this.held];
    return {
      dependency: this.name,
      code,
      reason,
      since: new Date(this.#since).toISOString(),
      records: items.length,
      behind: items.reduce((sum, { hold }) => sum + (hold === null ? 0 : hold.records - 1), 0),
      postponed: this.postponed,
      nextProbe: this.#nextProbe === null ? null : new Date(this.#nextProbe).toISOString(),
    };
  }
}
