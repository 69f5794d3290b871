import type { UnavailableError } from '@pipeline-host/sdk';
import type { Clock } from '../../clock.ts';
import { type ClassifiedFailure, causeOf } from '../failure-class.ts';
import type { Lanes } from '../records/lanes.ts';
import type { RecordContext } from '../records/record-context.ts';
import type { HeldDependency, WorkItem } from '../records/work-item.ts';
import type { HeldStatus } from '../status.ts';
import type { FailureWindow } from './failure-window.ts';
import { HeldDependencies } from './held-dependencies.ts';
import { isRefusal } from './held-dependency.ts';
import { HeldRoom } from './held-room.ts';
import { WholePause } from './whole-pause.ts';

/** What waited for a dependency is released in steps of so many milliseconds. */
const RELEASE_STEP = 100;
/** What has failed before comes so much later than what has not: other records show first whether it works for all. */
const SECOND_CHANCE = 1_000;

export interface HoldingOptions {
  readonly lanes: Lanes;
  readonly window: FailureWindow;
  /** Different keys that make an outage. */
  readonly keys: number;
  /** Bytes of records that may wait in memory. */
  readonly bytes: number;
  /** Records that are released a second, of each dependency. */
  readonly release: number;
  /** Puts a record into a delay lane that waits about so long, without an attempt; null for a worker that has no such lanes. */
  readonly postpone: ((item: WorkItem, failure: ClassifiedFailure, heldBy: string, wait: number) => void) | null;
  /** A record that was not handled yet and whose key is free, for a probe. */
  readonly fresh: () => WorkItem | undefined;
  /** Something may start. */
  readonly wake: () => void;
  /** The worker pauses as a whole with this failure, or goes on with null. */
  readonly onPause: (failure: ClassifiedFailure | null) => void;
  /** A dependency has stood its first probe, and what needs it waits; or waits no more. */
  readonly onHeld: (held: boolean, status: HeldStatus) => void;
  readonly clock: Clock;
  /** 0 to 1. */
  readonly random?: () => number;
}

/**
 * Records that met an outage: refused credentials, a dependency that is down, or a failure that many records share. They
 * burn no attempt and are held by that dependency alone:
 *
 * - What needs it is known by trying: a record is called once, and when it fails so, it keeps its lane and waits. All other
 *   keys go on.
 * - A host that fails for many is not asked by the others over `ctx.http`: they wait at once, however long it takes to fail.
 * - One of the held records probes, after a wait that grows from one second to a minute. When it is done, the others are
 *   released at a limited rate, in order; when they fail again, the rest stays.
 * - Only so many wait in memory ({@link HeldRoom}). Whatever finds no room goes into a delay lane, without an attempt, for
 *   about as long as the outage lasts already. When it comes back and the dependency is still held, it is not called: it
 *   waits again, here or there. A worker without such lanes (`onRetry: 'hold'`, no delays) begins nothing new instead.
 * - While nothing is done at all, the worker is paused as a whole ({@link WholePause}), and beside each probe a new record is
 *   tried, which may need something else.
 * - A batch that fails as a whole does not say for which of its records: each is handled in a call of its own.
 * - Where few keys fail so while others are done, it is no outage, nor is it where few fail alike without a word of one, nor
 *   where the same ones fail however often it works for many others: after some probes a record's failure is its own.
 */
export class Holding {
  readonly #options: HoldingOptions;
  readonly #pause: WholePause;
  readonly #room: HeldRoom;
  readonly #dependencies: HeldDependencies;
  /** Whose probe may begin as soon as there is a place. */
  readonly #due = new Set<HeldDependency>();
  /** Each is to be called by itself, since its failure says nothing of it. */
  #apart: WorkItem[] = [];
  /** The new record that is tried while the worker is closed, and whether one may be. */
  #fresh: WorkItem | null = null;
  #freshDue = false;
  #postponed = 0;
  #done = 0;
  /** Of these, how many were done when the last probe began, or the last dependency to fail. */
  #doneBefore = 0;

  constructor(options: HoldingOptions) {
    this.#options = options;
    this.#pause = new WholePause(options);
    this.#room = new HeldRoom(options.bytes);
    const { clock, keys, random = Math.random } = options;
    this.#dependencies = new HeldDependencies({ clock, keys, random, onDue: (dependency) => this.#probe(dependency) });
  }

  /** Nothing may start but what {@link takeProbe} gives. */
  get isClosed(): boolean {
    return this.#pause.isClosed;
  }

  /** Milliseconds that the worker was closed, all in all. */
  get closedFor(): number {
    return this.#pause.closedFor;
  }

  /** What is held, by dependency. */
  get held(): readonly HeldStatus[] {
    return this.#dependencies.statuses(({ phase }) => phase !== 'calm');
  }

  /** Of that, what has stood a probe: people should look at it. */
  get lasting(): readonly HeldStatus[] {
    return this.#dependencies.statuses(({ isLasting }) => isLasting);
  }

  /** Records that were put into delay lanes, each time counted. */
  get postponed(): number {
    return this.#postponed;
  }

  // What fails

  /**
   * Takes a record that failed in a way that may pass, where that is an outage. False where the failure is the record's own.
   */
  takes(item: WorkItem, failure: ClassifiedFailure): boolean {
    const shared = this.#options.window.failed(causeOf(failure), item.identity);
    const isSign = failure.class === 'unavailable' || failure.class === 'auth' || shared;
    const dependency = this.#dependencies.culprit(item, failure, isSign);
    if (dependency !== null && (item.failedTogether || (isRefusal(failure) && dependency.phase !== 'held'))) {
      this.#holdApart(item);
      return true;
    }
    if (dependency === null || !this.#dependencies.strike(item, failure, dependency, this.#done)) {
      this.ended(item, false);
      return false;
    }
    const tried = item.hold?.dependency.probe === item ? item.hold.dependency : null;
    if (tried === null) this.#pause.met(failure, this.#done === this.#doneBefore);
    else this.#probeFailed(tried);
    this.#hold(item, dependency);
    if (tried !== null && tried !== dependency) this.#keep(tried);
    return true;
  }

  #probeFailed(dependency: HeldDependency): void {
    dependency.probeFailed();
    this.#pause.still(dependency.failure);
    this.#tryFresh();
    if (dependency.isToBeTold()) this.#options.onHeld(true, dependency.status());
  }

  /** It waits here where there is room, else in a delay lane. */
  #hold(item: WorkItem, dependency: HeldDependency): void {
    const { postpone, lanes } = this.#options;
    if (this.#fresh === item) this.#fresh = null;
    if (dependency.phase === 'calm' || (dependency.phase === 'released' && dependency.lapses())) this.#begin(dependency);
    item.held = true;
    // Whether it or one before it of its key and batch keeps the lane: the others are behind that one.
    const isHolder = lanes.hold(item);
    if (isHolder) {
      this.#room.enter(item, dependency, this.#clock());
      dependency.held.add(item, item.strikes?.dependency === dependency.name && item.strikes.count > 0);
    } else {
      this.#room.leave(item);
      this.waits(item);
    }
    if (this.#room.isFull && postpone === null) this.#pause.close(dependency.failure);
    else if (this.#room.isFull && isHolder && !this.#isItsProbe(dependency)) this.#postpone(item, dependency);
    if (dependency.phase === 'held') dependency.probeLater(dependency.failure.retryAfter);
  }

  #begin(dependency: HeldDependency): void {
    // Nothing was ever done: it needs no further record to say that nothing is.
    if (this.#done === 0) this.#pause.pause(dependency.failure);
    this.#doneBefore = this.#done;
    dependency.begin();
  }

  /** Each dependency keeps one record to probe with. */
  #isItsProbe({ held, probe }: HeldDependency): boolean {
    return held.size === 1 && probe === null && !this.#dependencies.areTooMany;
  }

  /** Its place is given up. It leaves its lane when it is finished. */
  #postpone(item: WorkItem, dependency: HeldDependency): void {
    dependency.held.delete(item);
    dependency.postponed++;
    this.#postponed++;
    this.#room.leave(item);
    this.#options.lanes.unhold(item);
    item.held = false;
    this.#options.postpone?.(item, dependency.failure, dependency.name, dependency.lasts);
  }

  /**
   * Its batch failed as a whole, or it was refused what works again by now: the record keeps its lane, and is called by
   * itself.
   */
  #holdApart(item: WorkItem): void {
    this.ended(item, false);
    item.held = true;
    if (this.#options.lanes.hold(item)) this.#apart.push(item);
  }

  /** Whether what waits for this dependency is not to be called. The record that tries it is. */
  isHeld(item: WorkItem, name: string): boolean {
    const dependency = this.#dependencies.get(name);
    return dependency?.phase === 'held' && dependency.probe !== item;
  }

  /** Why the handler of a record is not to ask this dependency, or null. */
  refusal(of: RecordContext, name: string): UnavailableError | null {
    const dependency = this.#dependencies.get(name);
    return dependency === undefined || dependency.probe?.context === of ? null : dependency.refusal;
  }

  /** Takes a record that is known to wait for a dependency that is held. */
  takesUncalled(item: WorkItem, name: string): void {
    const dependency = this.#dependencies.get(name);
    if (dependency === undefined) return;
    if (this.#fresh === item) this.#tryFresh();
    dependency.met++;
    this.#hold(item, dependency);
  }

  /** A record waits in its lane. Where too many are behind one that is held, that one gives the lane to the next. */
  waits(item: WorkItem): void {
    const holder = item.lane?.holder ?? null;
    const hold = holder?.hold ?? null;
    if (holder === null || hold === null) return;
    this.#room.grow(holder, item);
    hold.dependency.met++;
    if (!this.#room.isFull || !holder.finished) return;
    if (this.#options.postpone === null) {
      this.#pause.close(hold.dependency.failure);
      return;
    }
    this.#postpone(holder, hold.dependency);
    this.#options.lanes.leave(holder);
  }

  // What ends

  /** The handler was done with the record. */
  passed(item: WorkItem): void {
    this.#done++;
    this.#options.window.passed();
    if (this.#dependencies.isEmpty) return;
    this.#pause.done();
    const { strikes } = item;
    if (strikes !== null) this.#dependencies.get(strikes.dependency)?.passed(strikes.count > 0);
    this.ended(item, true);
  }

  /**
   * The record has come to an end of its own. One that was to try a dependency says that this works where it is done; else
   * the next one tries.
   */
  ended(item: WorkItem, done: boolean): void {
    if (this.#fresh === item) {
      this.#fresh = null;
      if (!done) this.#tryFresh();
    }
    const dependency = item.hold?.dependency;
    this.#room.leave(item);
    if (dependency?.probe !== item) return;
    dependency.probe = null;
    if (done) this.#works(dependency);
    else this.#probe(dependency);
  }

  #works(dependency: HeldDependency): void {
    dependency.works();
    setImmediate(() => this.#release(dependency));
  }

  #release(dependency: HeldDependency, failed = false): void {
    if (dependency.phase !== 'released') return;
    const { held } = dependency;
    const most = Math.max(1, Math.round((this.#options.release * RELEASE_STEP) / 1_000));
    for (let count = 0; count < most && (failed || held.unasked > 0); count++) {
      const item = takeOpen(dependency);
      if (item === undefined) break;
      this.#waited(item);
      this.#room.leave(item);
      this.#options.lanes.readyAgain(item);
    }
    if (held.size === 0) this.#rest(dependency);
    else if (failed || held.unasked > 0) dependency.releaseLater(RELEASE_STEP, () => this.#release(dependency, failed));
    else dependency.releaseLater(SECOND_CHANCE, () => this.#release(dependency, true));
    this.#options.wake();
  }

  /** Its probe says nothing of it. */
  #keep(dependency: HeldDependency): void {
    if (dependency.held.size === 0) this.#rest(dependency);
    else dependency.probeLater();
  }

  /** Nothing waits for it any more. */
  #rest(dependency: HeldDependency): void {
    const status = dependency.status();
    this.#options.window.clear();
    if (dependency.rest()) this.#options.onHeld(false, status);
    if (!this.#dependencies.areCalm) return;
    this.#pause.over();
    this.#wakeSoon();
  }

  // What tries

  /** The next record that is to be handled in a call of its own, if any. */
  takeProbe(): WorkItem | undefined {
    for (const dependency of this.#due) {
      this.#due.delete(dependency);
      const item = takeOpen(dependency);
      if (item === undefined) {
        this.#rest(dependency);
        continue;
      }
      dependency.probe = item;
      this.#waited(item);
      this.#options.lanes.release(item);
      return item;
    }
    if (this.isClosed ? !this.#freshDue : this.#apart.length === 0) return undefined;
    const item = this.#apart.length > 0 ? this.#takeApart() : this.#options.fresh();
    if (item === undefined || !this.isClosed) return item;
    this.#freshDue = false;
    this.#fresh = item;
    return item;
  }

  #takeApart(): WorkItem | undefined {
    // One that has not given its place back yet takes its turn when it has.
    if (this.#apart[0]?.finished !== true) return undefined;
    const item = this.#apart.shift() as WorkItem;
    this.#options.lanes.release(item);
    return item;
  }

  #probe(dependency: HeldDependency): void {
    this.#doneBefore = this.#done;
    this.#due.add(dependency);
    this.#wakeSoon();
  }

  #tryFresh(): void {
    this.#freshDue = true;
    this.#wakeSoon();
  }

  #wakeSoon(): void {
    setImmediate(() => this.#options.wake());
  }

  /** Where it was tried in place before, the wait for a dependency does not count. */
  #waited(item: WorkItem): void {
    if (item.heldSince !== null && item.hold !== null) item.heldSince += this.#clock() - item.hold.since;
  }

  /** Time in which the worker was not closed. */
  #clock(): number {
    return this.#options.clock.monotonic() - this.closedFor;
  }

  /** The assignment is over: held records are read again by the next owner. */
  abandon(): void {
    const { lanes } = this.#options;
    for (const dependency of this.#dependencies) {
      for (const item of dependency.held) lanes.release(item);
      dependency.rest();
    }
    for (const item of this.#apart) lanes.release(item);
    this.#apart = [];
    this.#due.clear();
    this.#fresh = null;
    this.#freshDue = false;
    this.#room.clear();
    this.#pause.forget();
  }

  close(): void {
    for (const dependency of this.#dependencies) dependency.cancel();
  }
}

/** The next record that is to try it. */
function takeOpen({ held }: HeldDependency): WorkItem | undefined {
  for (let item = held.take(); item !== undefined; item = held.take()) if (!item.state.closed) return item;
  return undefined;
}
