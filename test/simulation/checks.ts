import { decodeAhead } from '../../host/src/engine/commit-metadata.ts';
import type { SettledAs } from '../../host/src/engine/tally.ts';
import type { CommitOffset, KafkaRecord } from '../../host/src/kafka/driver.ts';
import { HEADER, headerNumber } from '../../host/src/retry/headers.ts';
import { expectedEnd, type PlannedRecord, type Schedule } from './schedule.ts';
import { place, type SimulatedLog } from './simulated-log.ts';

export const SOURCE = 'p.jobs';
export const RESULTS = 'p.results';
export const RETRY = 'p.w.retry';
export const DEAD = 'p.dlq';

const END_KINDS = ['output', 'skip', 'dead'] as const;

/** Where a record ended, as the log has it. */
interface Fate {
  readonly plan: PlannedRecord;
  readonly offset: number;
  readonly ends: { output: number; skip: number; dead: number };
  /** Its copies in the retry topic, in order. */
  readonly copies: string[];
  /** A handler has said what becomes of it, so that the next one of its key may start. */
  concluded: boolean;
  /** The last call that it was part of. */
  call: object | null;
}

/** One call of the handler for one record. */
export interface Run {
  readonly member: string;
  readonly n: number;
  readonly signal: AbortSignal;
  /** Records of one key may be in one call together. */
  readonly call: object;
  /** Its member was thrown out of the group, or had been: what runs there cannot be seen by the others. */
  excused: boolean;
}

/**
 * The promises, looked at while things happen. The first one that is broken is kept; later ones may follow from it.
 */
export class Checks {
  readonly #schedule: Schedule;
  readonly #log: SimulatedLog;
  readonly #fates = new Map<number, Fate>();
  /** By partition of the source and of the retry topic: which record stands at an offset. */
  readonly #standing = new Map<string, number[]>();
  readonly #running = new Map<string, Set<Run>>();
  /** By partition: below it every record was found to have its end. */
  readonly #verified = new Map<string, number>();
  /** Of the members' present assignments: what they have settled. */
  readonly #settled = new Map<string, { topic: string; partition: number; offset: number }[]>();
  /** When each copy in the retry topic is due, epoch milliseconds. */
  readonly #due = new Map<string, number>();
  /** Records that have an end. */
  #ended = 0;
  readonly #tell: (line: () => string) => void;
  broken: string | null = null;
  /** The handlers were mended at some time: a record may end otherwise than it was planned. */
  mayEndOtherwise = false;
  /** Told of each record that has come to its end. */
  onEnd: (n: number, as: (typeof END_KINDS)[number]) => void = () => {};

  constructor(schedule: Schedule, log: SimulatedLog, tell: (line: () => string) => void) {
    this.#schedule = schedule;
    this.#log = log;
    this.#tell = tell;
    log.onStored = (topic, partition, record) => this.#stored(topic, partition, record);
  }

  fail(what: string): void {
    if (this.broken !== null) return;
    this.broken = what;
    this.#tell(() => `BROKEN: ${what}`);
  }

  /** The next record of the source has this plan. */
  expect(plan: PlannedRecord): void {
    const offset = this.#log.partition(SOURCE, plan.partition).length;
    this.#fates.set(plan.n, { plan, offset, ends: { output: 0, skip: 0, dead: 0 }, copies: [], concluded: false, call: null });
    this.#stand(SOURCE, plan.partition, offset, plan.n);
  }

  #stand(topic: string, partition: number, offset: number, n: number): void {
    const at = place(topic, partition);
    const list = this.#standing.get(at) ?? [];
    list[offset] = n;
    this.#standing.set(at, list);
  }

  #fate(n: number): Fate {
    const fate = this.#fates.get(n);
    if (fate === undefined) throw new Error(`no record ${n} was planned`);
    return fate;
  }

  #ends(n: number, as: (typeof END_KINDS)[number]): void {
    const { ends } = this.#fate(n);
    if (ends.output + ends.skip + ends.dead === 0) {
      this.#ended++;
      this.onEnd(n, as);
    }
    ends[as]++;
  }

  #stored(topic: string, partition: number, { offset, value, headers }: KafkaRecord): void {
    if (topic === SOURCE) return;
    if (topic === RESULTS) {
      const n = Number(/"n":(\d+)/.exec(value?.toString() ?? '')?.[1]);
      this.#ends(n, 'output');
      this.#tell(() => `  output of record ${n} is stored`);
      return;
    }
    const origin = this.#standing.get(place(SOURCE, headerNumber(headers, HEADER.originPartition, -1)));
    const n = origin?.[headerNumber(headers, HEADER.originOffset, -1)];
    if (n === undefined) {
      this.fail(`a record of ${topic} names an origin that does not exist`);
      return;
    }
    if (topic === DEAD) {
      this.#ends(n, 'dead');
      this.#tell(() => `  dead letter of record ${n} is stored`);
      return;
    }
    this.#fate(n).copies.push(`${place(topic, partition)}/${offset}`);
    this.#due.set(`${place(topic, partition)}/${offset}`, headerNumber(headers, HEADER.dueAt, Number.POSITIVE_INFINITY));
    this.#stand(topic, partition, offset, n);
    this.#tell(() => `  record ${n} is stored for its retry at ${partition}/${offset}`);
  }

  /** Whether this record, there, has come to its end or on to another place. */
  #hasEnded(n: number, at: string): boolean {
    const { ends, copies } = this.#fate(n);
    return ends.output + ends.skip + ends.dead > 0 || copies.length > copies.indexOf(at) + 1;
  }

  // Commits

  committed(member: string, offsets: readonly CommitOffset[]): void {
    for (const { topic, partition, offset, metadata } of offsets) {
      this.#tell(() => `  ${member} commits ${topic}/${partition} at ${offset}${metadata ? ` (${metadata})` : ''}`);
      const at = place(topic, partition);
      if (offset > this.#log.partition(topic, partition).length) this.fail(`${member} committed ${at} beyond its end, at ${offset}`);
      const before = this.#verified.get(at) ?? 0;
      this.#verify(member, at, before, offset);
      this.#verified.set(at, Math.max(before, offset));
      for (const { from, to } of decodeAhead(offset, metadata ?? '') ?? []) this.#verify(member, at, from, to);
    }
  }

  #verify(member: string, at: string, from: number, to: number): void {
    const standing = this.#standing.get(at) ?? [];
    for (let offset = from; offset < to; offset++) {
      const n = standing[offset];
      if (n !== undefined && !this.#hasEnded(n, `${at}/${offset}`))
        this.fail(`${member} committed past record ${n} at ${at}/${offset}, which is open`);
    }
  }

  #isCovered(topic: string, partition: number, offset: number): boolean {
    const stored = this.#log.commits.get(place(topic, partition));
    if (stored === undefined) return false;
    return (
      offset < stored.offset || (decodeAhead(stored.offset, stored.metadata) ?? []).some(({ from, to }) => offset >= from && offset < to)
    );
  }

  // Calls of the handler

  begins(run: Run, at: { readonly topic: string; readonly partition: number; readonly offset: number }): void {
    const { member, n, signal, excused: isFenced } = run;
    const fate = this.#fate(n);
    const { plan, offset } = fate;
    const name = `${place(at.topic, at.partition)}/${at.offset}`;
    this.#tell(() => `${member} handles record ${n} (${plan.key}) from ${name}`);
    if (!isFenced && this.#isCovered(at.topic, at.partition, at.offset))
      this.fail(`${member} handled record ${n} again, which was committed as settled`);
    if (Date.now() < (this.#due.get(name) ?? 0)) this.fail(`${member} handled record ${n} before it was due`);
    const lane = `${plan.partition}/${plan.key}`;
    const beside = this.#running.get(lane) ?? new Set();
    this.#running.set(lane, beside);
    for (const other of beside) {
      if (!isFenced && !other.excused && !other.signal.aborted && other.call !== run.call)
        this.fail(`${member} handled record ${n} while ${other.member} handled record ${other.n} of its key ${plan.key}`);
    }
    fate.call = run.call;
    if (at.topic === SOURCE && !isFenced) {
      for (const { plan: before, offset: earlier, concluded, call } of this.#fates.values()) {
        if (before.partition !== plan.partition || before.key !== plan.key || earlier >= offset || call === run.call) continue;
        if (!concluded && !before.unreadable && !this.#hasEnded(before.n, `${place(SOURCE, before.partition)}/${earlier}`))
          this.fail(`${member} handled record ${n} before record ${before.n}, which came earlier with its key ${plan.key}`);
      }
    }
    beside.add(run);
    if (this.#schedule.mode === 'delay') signal.addEventListener('abort', () => this.#concludes(n), { once: true });
  }

  #concludes(n: number): void {
    this.#fate(n).concluded = true;
  }

  /** @param says what the engine gets to hear, which counts unless the call was told to stop before */
  ends(run: Run, says: 'output' | 'skip' | 'dead' | 'failure' | 'unavailable'): void {
    const { member, n, signal } = run;
    const { plan } = this.#fate(n);
    this.#running.get(`${plan.partition}/${plan.key}`)?.delete(run);
    this.#tell(() => `${member} says ${says} of record ${n}${signal.aborted ? ', too late' : ''}`);
    if (signal.aborted || says === 'unavailable') return;
    if (says !== 'failure' || this.#schedule.mode === 'delay') this.#concludes(n);
  }

  /** Nobody waits for it any more: it waits for its dependency in a delay lane, behind later ones of its key. */
  postponed(topic: string, partition: number, offset: number): void {
    const n = this.#standing.get(place(topic, partition))?.[offset];
    if (n !== undefined) this.#concludes(n);
  }

  /** The members' calls in work may be repeated by others from now on. */
  excuse(member: string, isGone: boolean): void {
    for (const lane of this.#running.values())
      for (const run of lane) {
        if (run.member !== member) continue;
        run.excused = true;
        if (isGone) lane.delete(run);
      }
  }

  /** Its assignment was lost: whoever still works for it must have been told. */
  lost(member: string): void {
    for (const lane of this.#running.values())
      for (const run of lane)
        if (run.member === member && !run.signal.aborted)
          this.fail(`the handler of record ${run.n} was not told that its partition was lost by ${member}`);
  }

  // Settlements

  settled(member: string, topic: string, partition: number, offset: number, as: SettledAs): void {
    const n = this.#standing.get(place(topic, partition))?.[offset];
    if (as === 'skipped' && n !== undefined) this.#ends(n, 'skip');
    const list = this.#settled.get(member) ?? [];
    list.push({ topic, partition, offset });
    this.#settled.set(member, list);
  }

  assigned(member: string): void {
    this.#settled.delete(member);
  }

  /** A clean hand-over commits everything that was settled. */
  handedOver(member: string, clean: boolean): void {
    const settled = this.#settled.get(member) ?? [];
    this.#settled.delete(member);
    if (!clean) return;
    for (const { topic, partition, offset } of settled)
      if (!this.#isCovered(topic, partition, offset))
        this.fail(`${member} handed ${topic}/${partition} over without a commit of offset ${offset}, which is settled`);
  }

  // The end

  /** Whether every record has its end, and all of it is committed. */
  get isComplete(): boolean {
    return this.#ended === this.#fates.size && this.#uncommitted() === null;
  }

  #uncommitted(): string | null {
    for (const topic of [SOURCE, RETRY])
      for (const [partition, records] of (this.#log.topics.get(topic) ?? []).entries())
        if ((this.#log.commits.get(place(topic, partition))?.offset ?? 0) < records.length) return place(topic, partition);
    return null;
  }

  /** Why it is not complete. */
  get openStory(): string {
    const open = [...this.#fates.values()].filter(({ ends }) => ends.output + ends.skip + ends.dead === 0).map(({ plan }) => plan.n);
    return open.length > 0 ? `records ${open.join(', ')} never ended` : `${this.#uncommitted()} was never committed to its end`;
  }

  /** Every record ended once, as it had to; more than once only where a fault may repeat it. */
  finish(): void {
    const mayRepeat = this.#schedule.faults.some(({ kind }) => kind !== 'join' && kind !== 'leave' && kind !== 'dependency-down');
    // A few keys of which a part fails while others are done are no outage to the engine: they burn attempts.
    const mayBurn = this.#schedule.faults.some((fault) => fault.kind === 'dependency-down' && (fault.which === 'b' || fault.share < 1));
    for (const { plan, ends } of this.#fates.values()) {
      const planned = mayBurn && ends.dead > 0 ? 'dead' : expectedEnd(plan, this.#schedule);
      // One record of a batch may take the time of all the others.
      const expected = this.#schedule.batchSize > 1 || this.mayEndOtherwise ? (END_KINDS.find((end) => ends[end] > 0) ?? planned) : planned;
      for (const end of END_KINDS) {
        if (end !== expected && ends[end] > 0 && !(mayRepeat && this.#schedule.batchSize > 1))
          this.fail(`record ${plan.n} ended as ${end}, not as ${expected}`);
        if (ends[end] > 1 && !mayRepeat) this.fail(`record ${plan.n} ended as ${end} ${ends[end]} times, and nothing repeats it`);
      }
      if (ends[expected] === 0) this.fail(`record ${plan.n} was lost`);
    }
  }
}
