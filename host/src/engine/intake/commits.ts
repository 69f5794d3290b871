import type { Log } from '@pipeline-host/sdk';
import { errorMessage, isPipelineError } from '@pipeline-host/sdk';
import type { CommittedOffset, KafkaConsumer } from '../../kafka/driver.ts';
import { decodeAhead } from './commit-metadata.ts';
import type { PartitionState, PlannedCommit } from './partition-state.ts';

/** Offsets are committed this often. A crash repeats what was settled since. */
const INTERVAL = 100;
/** Doubled up to this while the broker asks for fewer commits (Event Hubs does). */
const LONGEST_INTERVAL = 3_200;
/** Halved again after so many commits that it did not mind. */
const CALM = 10;
/** A broker that did not answer whether it keeps metadata is asked again after so long. */
const PROOF_PAUSE = 5_000;

export interface CommitsOptions {
  readonly log: Log;
  /** The assignment as it is now. */
  readonly held: () => { readonly epoch: number; readonly partitions: readonly PartitionState[] };
  /** What the group has committed on a topic, as the broker gives it to the next owner. */
  readonly readBack: (topic: string) => Promise<readonly CommittedOffset[]>;
  /** Deletes a staged file. */
  readonly releaseFile: (uri: string) => Promise<void>;
  /** Told the seconds of each offset commit. */
  readonly onCommit: (seconds: number) => void;
}

/**
 * Commits the watermark of each partition, and beside it what is settled above: on a timer, and whenever it is asked to. The
 * timer rests while nothing is open and nothing is to be committed.
 * One commit at a time; one that failed is tried again by the timer.
 */
export class Commits {
  readonly #options: CommitsOptions;
  #consumer: KafkaConsumer | null = null;
  /** Runs while there is something to commit, or will be. */
  #timer: NodeJS.Timeout | null = null;
  #interval = INTERVAL;
  #calm = 0;
  /** Of `performance.now()`: before it the timer commits nothing. */
  #notBefore = 0;
  #committing: Promise<void> = Promise.resolve();
  /** The commit that waits for the one in work: whoever asks meanwhile gets the same. */
  #next: Promise<void> | null = null;
  #ahead: 'kept' | 'tried' | 'dropped' = 'tried';
  #proving = false;
  #proveAfter = 0;
  /** Code of the failure that was told of last; null where commits succeed. */
  #failing: string | null = null;

  constructor(options: CommitsOptions) {
    this.#options = options;
  }

  start(consumer: KafkaConsumer): void {
    this.#consumer = consumer;
    this.expect();
  }

  /** Records have come: from now on there is something to commit, until all of them are settled and committed. */
  expect(): void {
    if (this.#timer !== null) return;
    this.#timer = setInterval(() => this.#beat(), INTERVAL);
    // What keeps the process alive is the connections.
    this.#timer.unref();
  }

  #beat(): void {
    const { partitions } = this.#options.held();
    if (partitions.every((state) => state.ledger.open === 0 && state.planCommit(this.#ahead) === null)) this.close();
    else if (performance.now() >= this.#notBefore) void this.commit();
  }

  /** Whether the broker keeps what is settled above the watermark, so that a crash does not repeat it; null until it is known. */
  get exact(): boolean | null {
    return this.#ahead === 'tried' ? null : this.#ahead === 'kept';
  }

  /** Metadata of a former commit was given back by the broker. */
  wasKept(): void {
    if (this.#ahead === 'tried') this.#ahead = 'kept';
  }

  commit(): Promise<void> {
    if (this.#next === null) {
      this.#next = this.#committing.then(() => {
        this.#next = null;
        return this.#commitNews();
      });
      this.#committing = this.#next;
    }
    return this.#next;
  }

  async #commitNews(): Promise<void> {
    const consumer = this.#consumer;
    const { epoch, partitions } = this.#options.held();
    const planned = partitions.flatMap((state) => (state.closed ? [] : (state.planCommit(this.#ahead) ?? [])));
    if (consumer === null || planned.length === 0) return;
    const began = performance.now();
    let stored: Awaited<ReturnType<KafkaConsumer['commit']>>;
    try {
      stored = await consumer.commit(
        epoch,
        planned.map(({ offset }) => offset),
      );
    } catch (error) {
      if (this.#ahead !== 'dropped' && isPipelineError(error) && error.code === 'PH_KAFKA_METADATA') {
        this.#drop('refuses');
        return this.#commitNews();
      }
      this.#tellFailure(error);
      return;
    }
    if (stored === 'stale') return;
    this.#failing = null;
    this.#options.onCommit((performance.now() - began) / 1000);
    this.#pace(stored === 'throttled');
    for (const plan of planned) {
      plan.state.committedAs(plan);
      for (const uri of plan.released) await this.#release(uri);
    }
    if (this.#ahead === 'tried') void this.#prove(planned);
  }

  /** Once for each cause: the timer tries ten times a second. */
  #tellFailure(error: unknown): void {
    const code = isPipelineError(error) ? error.code : '';
    if (code !== this.#failing) this.#options.log.warn({ error }, `commit failed, it is tried again: ${errorMessage(error)}`);
    this.#failing = code;
  }

  #pace(throttled: boolean): void {
    const before = this.#interval;
    this.#calm = throttled ? 0 : this.#calm + 1;
    if (throttled) this.#interval = Math.min(before * 2, LONGEST_INTERVAL);
    else if (this.#calm >= CALM) {
      this.#calm = 0;
      this.#interval = Math.max(before / 2, INTERVAL);
    }
    // The timer's own beat is the shortest interval.
    this.#notBefore = this.#interval === INTERVAL ? 0 : performance.now() + this.#interval;
    if (throttled && before === INTERVAL)
      this.#options.log.info({}, 'the broker throttles commits: they are made less often while it does');
  }

  /** Reads back what the first commit stored, once: some brokers drop metadata without a word. */
  async #prove(planned: readonly PlannedCommit[]): Promise<void> {
    const [first] = planned;
    if (first === undefined || this.#proving || performance.now() < this.#proveAfter) return;
    this.#proving = true;
    const { topic, partition } = first.state;
    try {
      const found = (await this.#options.readBack(topic)).find((one) => one.partition === partition);
      if (found?.offset === undefined || found.offset === null) return;
      // Another commit may have been stored meanwhile: whatever is of our making was kept.
      if (decodeAhead(found.offset, found.metadata ?? '') === null) this.#drop('does not keep');
      else this.wasKept();
    } catch (error) {
      this.#proveAfter = performance.now() + PROOF_PAUSE;
      this.#options.log.debug({ error }, `it is not known yet whether the broker keeps commit metadata: ${errorMessage(error)}`);
    } finally {
      this.#proving = false;
    }
  }

  #drop(how: 'refuses' | 'does not keep'): void {
    if (this.#ahead === 'dropped') return;
    this.#ahead = 'dropped';
    this.#options.log.warn({}, `the broker ${how} commit metadata: a crash repeats everything above the lowest open record`);
  }

  /** A staged file that cannot be deleted is swept later: it holds up no commit. */
  async #release(uri: string): Promise<void> {
    try {
      await this.#options.releaseFile(uri);
    } catch (error) {
      this.#options.log.warn({ error, uri }, 'a staged file could not be deleted');
    }
  }

  close(): void {
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }
}
