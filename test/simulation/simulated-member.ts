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
import type { ClassifiedFailure } from '../../host/src/engine/failure-class.ts';
import { createMessageCodec } from '../../host/src/engine/messages/message-codec.ts';
import { RecordWriter } from '../../host/src/engine/records/record-writer.ts';
import { Unit } from '../../host/src/engine/unit.ts';
import type { Run } from './checks.ts';
import type { Behaviour } from './schedule.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import { type ConsumerWatch, SimulatedConsumer } from './simulated-consumer.ts';
import { SimulatedProducer, TOO_LARGE } from './simulated-producer.ts';
import { handlerSink, silent, tableSink, unreachable } from './simulated-sinks.ts';
import { OpenTable } from './simulated-table.ts';
import { jobsOf, resolve, results, type SimulatedWorker, tableWriter } from './simulated-worker.ts';

interface Message {
  readonly id: string;
  readonly n: number;
}

/** A process of the group: the engine as it is, with a handler that does what the schedule says. */
export class SimulatedMember {
  readonly name: string;
  /** Of the newest schema that it knows. */
  readonly version: 1 | 2;
  readonly unit: Unit;
  state: 'running' | 'stopping' | 'stopped' | 'killed' = 'running';
  readonly #world: SimulatedWorker;
  readonly #cluster: SimulatedCluster;
  readonly #producer: SimulatedProducer;
  readonly #tables: readonly OpenTable[];
  #consumer: SimulatedConsumer | null = null;

  constructor(name: string, world: SimulatedWorker, version: 1 | 2) {
    this.name = name;
    this.version = version;
    this.#world = world;
    const { schedule, network, group, checks, layout, tell } = world;
    this.#producer = new SimulatedProducer(network);
    this.#tables = world.tables.map((table) => new OpenTable(table, network));
    this.#cluster = new SimulatedCluster(network, {
      consume: ({ drainDeadline = 10_000 }, handlers) => {
        this.#consumer = new SimulatedConsumer(name, network, group, drainDeadline, handlers, this.#watch());
        return this.#consumer;
      },
    });
    const worker = resolve(
      world,
      this.version,
      schedule.tables === undefined ? this.#definition() : tableWriter(name, world, this.version),
    );
    const writer = new RecordWriter({
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
    });
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
      createSink: (hooks) => {
        const { intake } = hooks;
        const settle = intake.settle.bind(intake);
        intake.settle = (state, record, as) => {
          if (!state.closed && this.state !== 'killed') checks.settled(name, state.topic, state.partition, record.offset, as);
          settle(state, record, as);
        };
        const onPause = (failure: ClassifiedFailure | null): void => {
          if (failure !== null || schedule.tables === undefined)
            tell(() => `${name} ${failure === null ? 'goes on' : `pauses: ${failure.code}`}`);
          hooks.onPause(failure);
        };
        const parts = { hooks: { ...hooks, onPause }, worker, writer, schedule, codec: createMessageCodec(jobsOf(version)) };
        return schedule.tables === undefined ? handlerSink(parts) : tableSink(parts, this.#tables, this.#cluster);
      },
    });
    this.unit.failed.catch((error: unknown) => {
      if (this.state !== 'killed') checks.fail(`${name} failed: ${String(error)}`);
    });
  }

  #watch(): ConsumerWatch {
    const { name } = this;
    const { checks, tell } = this.#world;
    return {
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
    };
  }

  start(): void {
    this.#world.tell(() => `${this.name} starts`);
    void this.unit.start();
  }

  #definition(): WorkerDefinition {
    const one = (message: unknown, context: WorkerContext, call: object = {}) => this.#handle(message as Message, context, call);
    return {
      consumes: jobsOf(this.version),
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
    const { checks, network, fails, onCall } = this.#world;
    const { topic, partition, offset } = context.record;
    const fate = checks.fateAt(this.name, topic, partition, Number(offset));
    if (fate === undefined) return new Promise(() => {});
    const { attempts, plan } = fate;
    onCall(n, context.attempt);
    const behaviour = attempts[Math.min(context.attempt, attempts.length) - 1] as Behaviour;
    const run = { member: this.name, fate, signal: context.signal, call, excused: this.isFenced };
    checks.reads({ member: this.name, version: this.version, attempt: context.attempt }, topic, partition, Number(offset));
    checks.begins(run, { topic, partition, offset: Number(offset) });
    const end = (): Outcome => {
      if (fails(plan.needs)) {
        checks.ends(run, 'unavailable');
        throw new UnavailableError('SIM_API_DOWN', 'the API does not answer', { dependency: plan.needs });
      }
      return this.#outcome(run, behaviour, id);
    };
    return behaviour.takes === 0
      ? end()
      : network.time.sleep(behaviour.takes).then(() => (this.state === 'killed' ? new Promise(() => {}) : end()));
  }

  #outcome(run: Run, behaviour: Behaviour, id: string): Outcome {
    const { checks, areMended } = this.#world;
    const ends = areMended && behaviour.ends === 'transient' ? 'output' : behaviour.ends;
    const { plan, life } = run.fate;
    const result = (name: string): Output => output(results, { id: name, n: plan.n, life });
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
    return this.#consumer?.isFenced === true;
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
    this.#cluster.kill();
    for (const table of this.#tables) table.kill();
    this.#consumer?.kill(noticedAfter);
    this.#world.checks.excuse(this.name, true);
    // Ends its timers; its port is dead, and nothing that it does can be seen.
    void this.unit.stop();
  }

  throwOut(noticedAfter: number): void {
    if (this.state !== 'running') return;
    this.#world.tell(() => `${this.name} is thrown out of the group`);
    this.#world.checks.excuse(this.name, false);
    this.#consumer?.throwOut(noticedAfter);
  }

  /** No broker answers: its consumer is built again. */
  disconnect(): void {
    if (this.state === 'running') this.#consumer?.crash();
  }
}
