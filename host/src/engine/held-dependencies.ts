import type { ClassifiedFailure } from './failure-class.ts';
import { dependencyName, HeldDependency } from './held-dependency.ts';
import type { HeldStatus } from './status.ts';
import type { WorkItem } from './work-item.ts';

/** So many are remembered. */
const MOST = 100;
/** So many records must have been done since a record failed first before its failure is taken for its own. */
const FEWEST_DONE = 3;

export interface HeldDependenciesOptions {
  /** Different keys that make an outage. */
  readonly keys: number;
  /** 0 to 1. */
  readonly random: () => number;
  /** A record of it may probe. */
  readonly onDue: (dependency: HeldDependency) => void;
}

/** The dependencies that failed lately, by name, and whose failure it is when a record fails. */
export class HeldDependencies {
  readonly #options: HeldDependenciesOptions;
  readonly #byName = new Map<string, HeldDependency>();

  constructor(options: HeldDependenciesOptions) {
    this.#options = options;
  }

  [Symbol.iterator](): Iterator<HeldDependency> {
    return this.#byName.values();
  }

  get(name: string): HeldDependency | undefined {
    return this.#byName.get(name);
  }

  /** None has failed yet. */
  get isEmpty(): boolean {
    return this.#byName.size === 0;
  }

  /** Nothing waits for any. */
  get areCalm(): boolean {
    return [...this.#byName.values()].every(({ phase }) => phase === 'calm');
  }

  /** There are so many that not each may have a record of its own to probe with. */
  get areTooMany(): boolean {
    return this.#byName.size > MOST;
  }

  statuses(of: (dependency: HeldDependency) => boolean): readonly HeldStatus[] {
    return [...this.#byName.values()].filter(of).map((dependency) => dependency.status());
  }

  /**
   * What the record is to wait for: what its failure names, where that is a sign of an outage or already held; or what it
   * was to try, where its failure says nothing better. Null where nothing is out.
   */
  culprit(item: WorkItem, failure: ClassifiedFailure, isSign: boolean): HeldDependency | null {
    const name = dependencyName(failure);
    const named = this.#byName.get(name);
    if (isSign || (named !== undefined && named.phase !== 'calm')) {
      const dependency = named ?? this.#meet(name, failure);
      dependency.failed(item, failure);
      return dependency;
    }
    const tried = item.hold?.dependency;
    return tried?.probe === item && tried.isStillSuspected() ? tried : null;
  }

  #meet(name: string, failure: ClassifiedFailure): HeldDependency {
    const oldest = [...this.#byName.values()].find(({ phase }) => phase === 'calm');
    if (this.#byName.size >= MOST && oldest !== undefined) this.#byName.delete(oldest.name);
    const { keys, random, onDue } = this.#options;
    const dependency: HeldDependency = new HeldDependency({ name, failure, keys, random, onDue: () => onDue(dependency) });
    this.#byName.set(name, dependency);
    return dependency;
  }

  /**
   * Notes that the record met this outage once more. False where the failure is its own: it failed again and again, with few
   * others, while many more were done, which is not the share of an outage.
   *
   * @param done records of the worker that were done so far
   */
  strike(item: WorkItem, dependency: HeldDependency, done: number): boolean {
    if (item.strikes?.dependency !== dependency.name) {
      item.strikes = { dependency: dependency.name, count: 1, done, struck: ++dependency.struck };
      return true;
    }
    const { strikes } = item;
    const doneSince = done - strikes.done;
    const others = Math.max(dependency.struck - strikes.struck, dependency.held.size);
    if (strikes.count >= 2 && !dependency.isOfMany && doneSince >= FEWEST_DONE && others * 4 <= doneSince) return false;
    strikes.count++;
    return true;
  }
}
