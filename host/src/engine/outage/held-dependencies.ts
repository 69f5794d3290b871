import type { Clock } from '../../clock.ts';
import type { ClassifiedFailure } from '../failure-class.ts';
import type { HeldDependency, Strikes, WorkItem } from '../records/work-item.ts';
import type { HeldStatus } from '../status.ts';
import { dependencyName, FailingDependency, wasNotAsked } from './held-dependency.ts';

/** So many are remembered. */
const MOST = 100;
/** So many records must have been done since a record failed first before its failure is taken for its own. */
const FEWEST_DONE = 10;
/** And so often must it have failed, each time after a wait. */
const FEWEST_STRIKES = 3;
/** Or so often after the dependency had worked for others in between, */
const FEWEST_SURVIVED = 2;
/**
 * while so many were done, so many times more than failed anew, and none that had failed was done after all, as in an outage
 * that comes and goes: then it is its own however many fail alike.
 */
const FEWEST_DONE_BESIDE = 100;
const DONE_OF_FAILED = 8;
/** So many probes must have failed, and one for each of few keys, until failures that do not say themselves that something is down are the records' own. */
const FEWEST_PROBES = 3;

export interface HeldDependenciesOptions {
  readonly clock: Clock;
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
    const { clock, keys, random, onDue } = this.#options;
    const dependency: HeldDependency = new FailingDependency({ name, failure, clock, keys, random, onDue: () => onDue(dependency) });
    this.#byName.set(name, dependency);
    return dependency;
  }

  /**
   * Notes that the record met this outage once more. False where the failure is its own.
   *
   * @param done records of the worker that were done so far
   */
  strike(item: WorkItem, failure: ClassifiedFailure, dependency: HeldDependency, done: number): boolean {
    const { name, recoveries } = dependency;
    if (item.strikes?.dependency !== name) {
      item.strikes = { dependency: name, count: 0, done, met: ++dependency.met, beside: null };
    }
    if (wasNotAsked(failure)) return true;
    const { strikes } = item;
    if (strikes.count === 0) dependency.metByAsking++;
    const { beside } = strikes;
    if (beside === null || beside.saved !== dependency.saved) {
      strikes.beside = { survived: 0, recoveries, done, failed: dependency.metByAsking, saved: dependency.saved };
    } else if (beside.recoveries !== recoveries) {
      beside.recoveries = recoveries;
      beside.survived++;
    }
    if (isItsOwn(strikes, failure, dependency, done)) return false;
    strikes.count++;
    return true;
  }
}

function isItsOwn(strikes: Strikes, failure: ClassifiedFailure, dependency: HeldDependency, doneNow: number): boolean {
  const { count, done, met, beside } = strikes;
  if (beside !== null && beside.survived >= FEWEST_SURVIVED) {
    const doneBeside = doneNow - beside.done;
    const failedBeside = dependency.metByAsking - beside.failed;
    if (doneBeside >= FEWEST_DONE_BESIDE && failedBeside * DONE_OF_FAILED <= doneBeside) return true;
  }
  const isSaid = failure.class !== 'transient';
  if (isSaid && dependency.isOfMany) return false;
  const doneSince = doneNow - done;
  // The share of an outage is a fifth and more.
  if (count >= FEWEST_STRIKES && doneSince >= FEWEST_DONE && (dependency.met - met) * 4 <= doneSince) return true;
  return !isSaid && !dependency.isOfMany && dependency.failedProbes >= Math.max(FEWEST_PROBES, dependency.held.size + 1);
}
