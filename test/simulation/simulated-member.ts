import {
  dead,
  done,
  type Outcome,
  type Output,
  output,
  PermanentError,
  retry,
  skip,
  TransientError,
  UnavailableError,
  type WorkerContext,
  type WorkerDefinition,
} from '@pipeline-host/sdk';
import { FailureWindow } from '../../host/src/engine/failure-window.ts';
import { HandlerSink } from '../../host/src/engine/handler-sink.ts';
import { createMessageCodec } from '../../host/src/engine/message-codec.ts';
import { RecordWriter } from '../../host/src/engine/record-writer.ts';
import { Unit } from '../../host/src/engine/unit.ts';
import type { HostLog } from '../../host/src/observability/logger.ts';
import type { RetryLayout } from '../../host/src/retry/layout.ts';
import { jobs, resolvedWorker, results } from '../host/engine/in-memory-unit.ts';
import type { Checks, Run } from './checks.ts';
import type { Network } from './network.ts';
import { type Behaviour, type PlannedRecord, type Schedule, TIMEOUT } from './schedule.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { SimulatedGroup } from './simulated-group.ts';
import { SimulatedProducer, TOO_LARGE } from './simulated-producer.ts';

const silent: HostLog = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent, isDebug: false };

interface Message {
  readonly id: string;
  readonly n: number;
}

export interface MemberWorld {
  readonly schedule: Schedule;
  readonly network: Network;
  readonly group: SimulatedGroup;
  readonly checks: Checks;
  readonly layout: RetryLayout;
  readonly planOf: (n: number) => PlannedRecord;
  /** Whether this call of an API fails. */
  readonly fails: (api: 'a' | 'b') => boolean;
  /** What is planned to fail passes from now on. */
  readonly areMended: boolean;
  readonly onCall: (n: number, attempt: number) => void;
  readonly tell: (line: () => string) => void;
}

/** A process of the group: the engine as it is, with a handler that does what the schedule says. */
export class SimulatedMember {
  readonly name: string;
  readonly unit: Unit;
  state: 'running' | 'stopping' | 'stopped' | 'killed' = 'running';
  readonly #world: MemberWorld;
  readonly #cluster: SimulatedCluster;
  readonly #producer: SimulatedProducer;

  constructor(name: string, world: MemberWorld) {
    this.name = name;
    this.#world = world;
    const { schedule, network, checks, layout, tell } = world;
    this.#producer = new SimulatedProducer(network);
    this.#cluster = new SimulatedCluster(name, network, world.group, {
      assigned: (epoch, partitions) => {
        tell(
          () =>
            `${name} is assigned ${partitions.map(({ topic, partition, committed }) => `${topic}/${partition}@${committed ?? '-'}`).join(' ') || 'nothing'} (epoch ${epoch})`,
        );
        checks.assigned(name);
      },
      committed: (offsets) => checks.committed(name, offsets),
      handedOver: (epoch, clean) => {
        tell(() => `${name} hands epoch ${epoch} over${clean ? '' : ', not in order'}`);
        checks.handedOver(name, clean);
      },
      lost: (epoch) => {
        tell(() => `${name} learns that epoch ${epoch} is lost`);
        checks.lost(name);
      },
      fenced: () => checks.excuse(name, false),
      broken: (what) => checks.fail(`${name}: ${what}`),
    });
    const worker = resolvedWorker({
      definition: this.#definition(),
      concurrency: schedule.concurrency,
      timeout: TIMEOUT,
      delays: schedule.delays,
      onRetry: schedule.mode,
      batchSize: schedule.batchSize,
    });
    const unreachable = (): never => {
      throw new Error('no handler asks for this');
    };
    this.unit = new Unit({
      id: name,
      worker,
      topics: { retry: layout, deadLetterPartitions: schedule.partitions },
      cluster: this.#cluster,
      reads: 'source',
      byteBudget: schedule.byteBudget,
      log: silent,
      onCommit: () => {},
      releaseFile: async () => {},
      checkWaiting: async () => {},
      refusal: () => null,
      createSink: ({ intake, onPause, onFatal }) => {
        const settle = intake.settle.bind(intake);
        intake.settle = (state, record, as) => {
          if (!state.closed && this.state !== 'killed') checks.settled(name, state.topic, state.partition, record.offset, as);
          settle(state, record, as);
        };
        return new HandlerSink({
          intake,
          definition: worker.definition as WorkerDefinition,
          onRetry: schedule.mode,
          window: new FailureWindow(worker.settings.outage),
          outageKeys: worker.settings.outage.keys,
          byteBudget: schedule.byteBudget,
          releasePerSecond: worker.settings.retry.release,
          canDelay: schedule.mode === 'delay',
          order: 'key',
          concurrency: schedule.concurrency,
          batchSize: schedule.batchSize,
          codec: createMessageCodec(jobs),
          writer: new RecordWriter({
            onFailure: (what, { topic, partition, record }) => {
              if (what === 'postponed') checks.postponed(topic, partition, record.offset);
            },
            worker,
            sourceCluster: 'default',
            sourceClusterId: 'simulated',
            layout,
            deadLetterPartitions: schedule.partitions,
            largest: new Map(),
            storePayload: unreachable,
            producerOf: () => this.#producer,
          }),
          services: {
            config: {},
            services: {},
            log: silent,
            metrics: { count() {}, observe() {} },
            http: { request: unreachable, download: unreachable, api: unreachable },
            objects: { put: unreachable, stat: unreachable },
            stagingFor: (release) => ({ has: unreachable, open: unreachable, release }),
            timeout: TIMEOUT,
          },
          onHandled: () => {},
          onOverdue: () => {},
          onPause: (failure) => {
            tell(() => `${name} ${failure === null ? 'goes on' : `pauses: ${failure.code}`}`);
            onPause(failure);
          },
          onHeld: () => {},
          onFatal,
        });
      },
    });
    this.unit.failed.catch((error: unknown) => {
      if (this.state !== 'killed') checks.fail(`${name} failed: ${String(error)}`);
    });
  }

  start(): void {
    this.#world.tell(() => `${this.name} starts`);
    void this.unit.start();
  }

  #definition(): WorkerDefinition {
    const one = (message: unknown, context: WorkerContext, call: object = {}) => this.#handle(message as Message, context, call);
    return {
      consumes: jobs,
      produces: [results],
      ...(this.#world.schedule.batchSize === 1
        ? { handle: one }
        : {
            handleBatch: (entries: readonly { readonly message: unknown; readonly context: WorkerContext }[]) =>
              Promise.all(entries.map(({ message, context }) => this.#handleInBatch(message as Message, context, entries))),
          }),
    } as unknown as WorkerDefinition;
  }

  /** One that throws must not fail the others of its batch. */
  async #handleInBatch(message: Message, context: WorkerContext, call: object): Promise<Outcome> {
    try {
      return await this.#handle(message, context, call);
    } catch (error) {
      return retry(error);
    }
  }

  #handle({ id, n }: Message, context: WorkerContext, call: object): Outcome | Promise<Outcome> {
    // A killed process does nothing more.
    if (this.state === 'killed') return new Promise(() => {});
    const { checks, network, planOf, fails, onCall } = this.#world;
    const { attempts, needs } = planOf(n);
    onCall(n, context.attempt);
    const behaviour = attempts[Math.min(context.attempt, attempts.length) - 1] as Behaviour;
    const { topic, partition, offset } = context.record;
    const run = { member: this.name, n, signal: context.signal, call, excused: this.isFenced };
    checks.begins(run, { topic, partition, offset: Number(offset) });
    const end = (): Outcome => {
      if (fails(needs)) {
        checks.ends(run, 'unavailable');
        throw new UnavailableError('SIM_API_DOWN', 'the API does not answer', { dependency: needs });
      }
      return this.#outcome(run, behaviour, id, n);
    };
    return behaviour.takes === 0
      ? end()
      : network.time.sleep(behaviour.takes).then(() => (this.state === 'killed' ? new Promise(() => {}) : end()));
  }

  #outcome(run: Run, behaviour: Behaviour, id: string, n: number): Outcome {
    const { checks, areMended } = this.#world;
    const ends = areMended && behaviour.ends === 'transient' ? 'output' : behaviour.ends;
    const result = (name: string): Output => output(results, { id: name, n });
    switch (ends) {
      case 'output':
        checks.ends(run, 'output');
        return done([result(id)]);
      case 'skip':
        checks.ends(run, 'skip');
        return skip('by plan');
      case 'too-large':
        checks.ends(run, 'dead');
        return done([result('x'.repeat(TOO_LARGE))]);
      case 'dead':
        checks.ends(run, 'dead');
        return dead('SIM_DEAD', 'by plan');
      case 'permanent':
        checks.ends(run, 'dead');
        throw new PermanentError('SIM_PERMANENT', 'by plan');
      case 'transient':
        checks.ends(run, 'failure');
        return retry(new TransientError('SIM_TRANSIENT', 'by plan'));
    }
  }

  /** Records that it holds, and bytes on their way to the brokers. */
  get held(): { readonly open: number; readonly buffered: number } {
    return { open: this.unit.status().open, buffered: this.#producer.bufferedBytes };
  }

  get isFenced(): boolean {
    return this.#cluster.consumer?.isFenced === true;
  }

  /** Stops in order. Resolves when it has left. */
  async stop(): Promise<void> {
    if (this.state !== 'running') return;
    this.state = 'stopping';
    this.#world.tell(() => `${this.name} is told to stop`);
    await this.unit.stop();
    if (this.unit.status().open > 0) this.#world.checks.fail(`${this.name} stopped with open records`);
    await this.#producer.close();
    this.state = 'stopped';
    this.#world.tell(() => `${this.name} has stopped`);
  }

  /** The process dies. What it held in memory is gone. */
  kill(noticedAfter: number): void {
    if (this.state === 'stopped' || this.state === 'killed') return;
    this.#world.tell(() => `${this.name} is killed`);
    this.state = 'killed';
    this.#producer.kill();
    this.#cluster.consumer?.kill(noticedAfter);
    this.#world.checks.excuse(this.name, true);
    // Ends its timers; its port is dead, and nothing that it does can be seen.
    void this.unit.stop();
  }

  throwOut(noticedAfter: number): void {
    if (this.state !== 'running') return;
    this.#world.tell(() => `${this.name} is thrown out of the group`);
    this.#world.checks.excuse(this.name, false);
    this.#cluster.consumer?.throwOut(noticedAfter);
  }

  /** No broker answers: its consumer is built again. */
  disconnect(): void {
    if (this.state === 'running') this.#cluster.consumer?.crash();
  }
}
