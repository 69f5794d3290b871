import { decodeAhead } from '../../host/src/engine/intake/commit-metadata.ts';
import type { SettledAs } from '../../host/src/engine/intake/tally.ts';
import type { CommitOffset, KafkaRecord } from '../../host/src/kafka/driver.ts';
import { HEADER, headerNumber, headerText } from '../../host/src/retry/headers.ts';
import { END_KINDS, type EndKind, type Fate, Fates, hasEnd } from './fates.ts';
import { replayedLetters } from './replayed-letters.ts';
import { expectedEnd, type PlannedRecord, type Schedule } from './schedule.ts';
import { place, type SimulatedLog } from './simulated-log.ts';
import { DEAD, SOURCE, type WorkerNames } from './worker-names.ts';

/** A record as a plugin is given it. */
export interface Reading {
  readonly member: string;
  /** Of the newest schema that it knows. */
  readonly version: number;
  readonly attempt: number;
}

/** One call of the handler for one record. */
export interface Run {
  readonly member: string;
  readonly fate: Fate;
  readonly signal: AbortSignal;
  /** Records of one key may be in one call together. */
  readonly call: object;
  /** Its member was thrown out of the group, or had been: what runs there cannot be seen by the others. */
  excused: boolean;
}

/**
 * The promises to one worker, looked at while things happen. The first one that is broken is kept; later ones may follow from it.
 */
export class Checks {
  readonly #schedule: Schedule;
  readonly #log: SimulatedLog;
  readonly #names: WorkerNames;
  readonly #lanes: number;
  readonly #fates = new Fates();
  readonly #running = new Map<string, Set<Run>>();
  /** By partition: below it every record was found to have its end. */
  readonly #verified = new Map<string, number>();
  /** Of the members' present assignments: what they have settled. */
  readonly #settled = new Map<string, { topic: string; partition: number; offset: number }[]>();
  /** When each copy in the retry topic is due, epoch milliseconds. */
  readonly #due = new Map<string, number>();
  /** By table: the records that have rows in it, and of each partition of the source the last of them. */
  readonly #rows = new Map<string, { readonly of: Set<number>; readonly last: Map<number, number> }>();
  /** Lives that have an end. */
  #ended = 0;
  readonly #tell: (line: () => string) => void;
  broken: string | null = null;
  /** The handlers were mended at some time: a record may end otherwise than it was planned. */
  mayEndOtherwise = false;
  /** Told of each record that has come to its end. */
  onEnd: (n: number, as: EndKind) => void = () => {};
  /** Told of each dead letter, with the life that it ends and whether it is the first to do so. */
  onDead: (fate: Fate, letter: { readonly partition: number; readonly offset: number }, isFirst: boolean) => void = () => {};

  constructor(schedule: Schedule, log: SimulatedLog, names: WorkerNames, lanes: number, tell: (line: () => string) => void) {
    this.#schedule = schedule;
    this.#log = log;
    this.#names = names;
    this.#lanes = lanes;
    this.#tell = tell;
    log.onStored.push((topic, partition, record) => this.#stored(topic, partition, record));
  }

  fail(what: string): void {
    if (this.broken !== null) return;
    this.broken = what;
    this.#tell(() => `BROKEN: ${what}`);
  }

  /** The next record of the source has this plan. */
  expect(plan: PlannedRecord): void {
    this.#fates.begin(plan, plan.attempts, SOURCE, plan.partition, this.#log.partition(SOURCE, plan.partition).length);
  }

  /** The life that a record belongs to. Nobody may handle what is none of the worker's. */
  fateAt(member: string, topic: string, partition: number, offset: number): Fate | undefined {
    const fate = this.#fates.at(topic, partition, offset);
    if (fate === undefined) this.fail(`${member} handles ${place(topic, partition)}/${offset}, which is not addressed to it`);
    return fate;
  }

  #ends(fate: Fate, as: EndKind): void {
    if (!hasEnd(fate)) {
      this.#ended++;
      this.onEnd(fate.plan.n, as);
    }
    fate.ends[as]++;
  }

  #stored(topic: string, partition: number, { offset, value, headers }: KafkaRecord): void {
    if (topic === this.#names.results) {
      const { n, life } = JSON.parse(value?.toString() ?? '{}') as { n: number; life: number };
      const fate = this.#fates.life(n, life);
      if (fate === undefined) {
        this.fail(`an output of a life of record ${n} that does not exist`);
        return;
      }
      this.#ends(fate, 'output');
      this.#tell(() => `  output of ${nameOf(fate)} is stored`);
      return;
    }
    if ((topic !== this.#names.retry && topic !== DEAD) || headerText(headers, HEADER.worker) !== this.#names.name) return;
    const first = this.#fates.at(SOURCE, headerNumber(headers, HEADER.originPartition, -1), headerNumber(headers, HEADER.originOffset, -1));
    if (first === undefined) {
      this.fail(`a record of ${topic} names an origin that does not exist`);
      return;
    }
    const replay = replayOf(headers);
    if (replay !== null && topic === this.#names.retry && partition % this.#lanes === 0) {
      const { fate, begins } = this.#fates.beginReplay(replay, first, topic, partition, offset);
      this.#tell(() => `  ${nameOf(fate)} is replayed at ${partition}/${offset}${begins ? '' : ', once too often'}`);
      return;
    }
    const fate = replay === null ? first : this.#fates.ofReplay(replay);
    if (fate === undefined) {
      this.fail(`a record of ${topic} names a replay that was never stored`);
      return;
    }
    if (topic === DEAD) {
      const isFirst = fate.ends.dead === 0;
      this.#ends(fate, 'dead');
      this.#tell(() => `  dead letter of ${nameOf(fate)} is stored at ${partition}/${offset}`);
      this.onDead(fate, { partition, offset }, isFirst);
      return;
    }
    this.#fates.stand(fate, topic, partition, offset);
    this.#due.set(`${place(topic, partition)}/${offset}`, headerNumber(headers, HEADER.dueAt, Number.POSITIVE_INFINITY));
    this.#tell(() => `  ${nameOf(fate)} is stored for its retry at ${partition}/${offset}`);
  }

  // Rows

  /** A row is in its table. `isLast`: the record has none in a table after this one. */
  rowStored(table: string, n: number, life: number, isLast: boolean): void {
    const fate = this.#fates.life(n, life);
    if (fate === undefined) {
      this.fail(`table ${table} has a row of a life of record ${n} that does not exist`);
      return;
    }
    const rows = this.#rows.get(table) ?? { of: new Set(), last: new Map() };
    this.#rows.set(table, rows);
    const { of, last } = rows;
    const { partition } = fate.plan;
    this.#tell(() => `  row of ${nameOf(fate)} is in table ${table}`);
    if (of.has(n)) this.fail(`the row of record ${n} is in table ${table} twice`);
    of.add(n);
    if (life === 0) {
      if (fate.offset < (last.get(partition) ?? -1))
        this.fail(`the row of record ${n} is in table ${table} after a later one of its partition`);
      last.set(partition, fate.offset);
    }
    if (isLast) this.#ends(fate, 'output');
  }

  // Commits

  committed(member: string, offsets: readonly CommitOffset[]): void {
    for (const { topic, partition, offset, metadata } of offsets) {
      this.#tell(() => `  ${member} commits ${topic}/${partition} at ${offset}${metadata ? ` (${metadata})` : ''}`);
      const at = place(topic, partition);
      if (offset > this.#log.partition(topic, partition).length) this.fail(`${member} committed ${at} beyond its end, at ${offset}`);
      const before = this.#verified.get(at) ?? 0;
      this.#verify(member, topic, partition, before, offset);
      this.#verified.set(at, Math.max(before, offset));
      for (const { from, to } of decodeAhead(offset, metadata ?? '') ?? []) this.#verify(member, topic, partition, from, to);
    }
  }

  #verify(member: string, topic: string, partition: number, from: number, to: number): void {
    for (let offset = from; offset < to; offset++)
      if (!this.#fates.isThrough(topic, partition, offset)) {
        const fate = this.#fates.at(topic, partition, offset);
        this.fail(`${member} committed past record ${fate?.plan.n} at ${place(topic, partition)}/${offset}, which is open`);
      }
  }

  #isCovered(topic: string, partition: number, offset: number): boolean {
    const stored = this.#log.commitsOf(this.#names.group).get(place(topic, partition));
    if (stored === undefined) return false;
    return (
      offset < stored.offset || (decodeAhead(stored.offset, stored.metadata) ?? []).some(({ from, to }) => offset >= from && offset < to)
    );
  }

  // Calls of the handler

  /** A member gives a record to the plugin, which must be able to read it. A replay begins anew, and comes once. */
  reads({ member, version, attempt }: Reading, topic: string, partition: number, offset: number): void {
    const { n, version: written = 1 } = this.#fates.at(topic, partition, offset)?.plan ?? {};
    if (version < written) this.fail(`${member} reads record ${n} by version ${version} of its schema, which is ${written}`);
    if (this.#fates.isRepeated(topic, partition, offset))
      this.fail(`${member} handles a replay of record ${n} that stands in its lane twice`);
    const begins = topic !== SOURCE && partition % this.#lanes === 0 && this.#schedule.mode === 'delay';
    if (begins && attempt > 1) this.fail(`${member} begins a replay of record ${n} with attempt ${attempt}`);
  }

  begins(run: Run, at: { readonly topic: string; readonly partition: number; readonly offset: number }): void {
    const { member, fate, signal, excused: isFenced } = run;
    const { plan, offset } = fate;
    const { n, key } = plan;
    const name = `${place(at.topic, at.partition)}/${at.offset}`;
    this.#tell(() => `${member} handles ${nameOf(fate)} (${key}) from ${name}`);
    if (!isFenced && this.#isCovered(at.topic, at.partition, at.offset))
      this.fail(`${member} handled record ${n} again, which was committed as settled`);
    if (Date.now() < (this.#due.get(name) ?? 0)) this.fail(`${member} handled record ${n} before it was due`);
    const lane = `${plan.partition}/${plan.key}`;
    const beside = this.#running.get(lane) ?? new Set();
    this.#running.set(lane, beside);
    for (const other of beside) {
      if (!isFenced && !other.excused && !other.signal.aborted && other.call !== run.call)
        this.fail(`${member} handled record ${n} while ${other.member} handled record ${other.fate.plan.n} of its key ${plan.key}`);
    }
    fate.call = run.call;
    if (at.topic === SOURCE && !isFenced) {
      for (const { plan: before, life, offset: earlier, concluded, call } of this.#fates.all()) {
        if (life > 0 || before.partition !== plan.partition || before.key !== plan.key || earlier >= offset || call === run.call) continue;
        if (!concluded && !before.unreadable && !this.#fates.isThrough(SOURCE, before.partition, earlier))
          this.fail(`${member} handled record ${n} before record ${before.n}, which came earlier with its key ${plan.key}`);
      }
    }
    beside.add(run);
    if (this.#schedule.mode === 'delay') signal.addEventListener('abort', () => this.#concludes(fate), { once: true });
  }

  #concludes(fate: Fate): void {
    fate.concluded = true;
  }

  /** @param says what the engine gets to hear, which counts unless the call was told to stop before */
  ends(run: Run, says: 'output' | 'skip' | 'dead' | 'failure' | 'unavailable'): void {
    const { member, fate, signal } = run;
    const { plan } = fate;
    this.#running.get(`${plan.partition}/${plan.key}`)?.delete(run);
    this.#tell(() => `${member} says ${says} of ${nameOf(fate)}${signal.aborted ? ', too late' : ''}`);
    if (signal.aborted || says === 'unavailable') return;
    if (says !== 'failure' || this.#schedule.mode === 'delay') this.#concludes(fate);
  }

  /** Nobody waits for it any more: it waits for its dependency in a delay lane, behind later ones of its key. */
  postponed(topic: string, partition: number, offset: number): void {
    const fate = this.#fates.at(topic, partition, offset);
    if (fate !== undefined) this.#concludes(fate);
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
          this.fail(`the handler of record ${run.fate.plan.n} was not told that its partition was lost by ${member}`);
  }

  // Settlements

  settled(member: string, topic: string, partition: number, offset: number, as: SettledAs): void {
    const fate = this.#fates.at(topic, partition, offset);
    if (as === 'skipped' && fate !== undefined && !this.#fates.isRepeated(topic, partition, offset)) this.#ends(fate, 'skip');
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
    for (const topic of [SOURCE, this.#names.retry])
      for (const [partition, records] of (this.#log.topics.get(topic) ?? []).entries())
        if ((this.#log.commitsOf(this.#names.group).get(place(topic, partition))?.offset ?? 0) < records.length)
          return place(topic, partition);
    return null;
  }

  /** Why it is not complete. */
  get openStory(): string {
    const open = [...this.#fates.all()].filter((fate) => !hasEnd(fate)).map(nameOf);
    return open.length > 0 ? `${open.join(', ')} never ended` : `${this.#uncommitted()} was never committed to its end`;
  }

  /** Every record ended once, as it had to; more than once only where a fault may repeat it. */
  finish(): void {
    for (const replay of replayedLetters(this.#log, this.#names.name))
      if (this.#fates.ofReplay(replay) === undefined) this.fail(`dead letter ${replay} counts as replayed, and stands in no lane`);
    const mayRepeat = this.#schedule.faults.some(({ kind }) => kind !== 'join' && kind !== 'leave' && kind !== 'dependency-down');
    // A few keys of which a part fails while others are done are no outage to the engine: they burn attempts.
    const mayBurn = this.#schedule.faults.some((fault) => fault.kind === 'dependency-down' && (fault.which === 'b' || fault.share < 1));
    for (const fate of this.#fates.all()) {
      const { plan, attempts, ends } = fate;
      const planned = mayBurn && ends.dead > 0 ? 'dead' : expectedEnd(plan, attempts, this.#schedule);
      // One record of a batch may take the time of all the others.
      const expected = this.#schedule.batchSize > 1 || this.mayEndOtherwise ? (END_KINDS.find((end) => ends[end] > 0) ?? planned) : planned;
      for (const end of END_KINDS) {
        if (end !== expected && ends[end] > 0 && !(mayRepeat && this.#schedule.batchSize > 1))
          this.fail(`${nameOf(fate)} ended as ${end}, not as ${expected}`);
        if (ends[end] > 1 && !mayRepeat) this.fail(`${nameOf(fate)} ended as ${end} ${ends[end]} times, and nothing repeats it`);
      }
      if (ends[expected] === 0) this.fail(`${nameOf(fate)} was lost`);
    }
  }
}

function nameOf({ plan, life }: Fate): string {
  return `record ${plan.n}${life === 0 ? '' : ` in its life ${life + 1}`}`;
}

/** Which dead letter a record of the retry topic replays, and which of its replays it is. */
function replayOf(headers: KafkaRecord['headers']): string | null {
  const letter = headerText(headers, HEADER.replay);
  return letter === undefined ? null : `${letter} ${headerText(headers, HEADER.replayCount)}`;
}
