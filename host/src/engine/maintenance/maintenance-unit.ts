import { setTimeout as sleep } from 'node:timers/promises';
import { isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import type { KafkaCluster, KafkaConsumer, TopicPartition } from '../../kafka/driver.ts';
import type { HostLog } from '../../observability/logger.ts';
import { MAINTENANCE_WORKER, type ResolvedMaintenance } from '../../plugins/resolve-maintenance.ts';
import type { HostUnit, UnitState, UnitStatus } from '../status.ts';
import type { MaintenanceRounds } from './maintenance-round.ts';

/** What a step may take to end when the turn passes to another process. A step is one file of a rewrite, or one delete. */
const HAND_OVER_DEADLINE = 12_000;
const NO_RECORDS = { received: 0, done: 0, skipped: 0, retried: 0, dead: 0 } as const;

export interface MaintenanceUnitOptions {
  readonly maintenance: ResolvedMaintenance;
  readonly cluster: KafkaCluster;
  readonly rounds: MaintenanceRounds;
  /** Milliseconds between two rounds. */
  readonly interval: number;
  readonly log: HostLog;
}

/**
 * Maintains a plugin's tables now and then, in one process at a time: the member of its consumer group that was given
 * partition 0 of the topic. The others stand by. No record is read, so nothing is committed.
 */
export class MaintenanceUnit implements HostUnit {
  /** Never: what fails is tried again. */
  readonly failed: Promise<never> = new Promise(() => {});
  readonly #options: MaintenanceUnitOptions;
  readonly #attached = Promise.withResolvers<KafkaConsumer>();
  #consumer: KafkaConsumer | null = null;
  #starting: Promise<void> | null = null;
  #life: 'starting' | 'running' | 'draining' | 'stopped' = 'starting';
  #partitions = 0;
  #turn: { readonly abort: AbortController; readonly done: Promise<void> } | null = null;
  #working = false;
  #refused: { readonly code: string; readonly reason: string } | null = null;

  constructor(options: MaintenanceUnitOptions) {
    this.#options = options;
  }

  start(): Promise<void> {
    this.#starting ??= this.#join();
    return this.#starting;
  }

  async #join(): Promise<void> {
    const { cluster, maintenance, log } = this.#options;
    this.#consumer = await cluster.consume(
      { group: maintenance.group, topics: [maintenance.topic], drainDeadline: HAND_OVER_DEADLINE },
      {
        onBatch: () => {}, // its partitions are paused before the first fetch
        onAssigned: (_epoch, partitions) => this.#assigned(partitions),
        onAccess: (refused) => this.#setRefused(refused),
        onRevoking: () => this.#endTurn(),
        onLost: () => void this.#endTurn(),
        onError: (error) => {
          log.warn({ error }, 'consumer lost its cluster and is rebuilt');
          if (this.#life === 'running') this.#life = 'starting';
          if (isPipelineError(error) && error.kind === 'auth') this.#setRefused(error);
        },
      },
    );
    this.#attached.resolve(this.#consumer);
  }

  #setRefused(refused: PipelineError | null): void {
    this.#refused = refused === null ? null : { code: refused.code, reason: `auth: ${refused.code}: ${refused.message}` };
  }

  async #assigned(partitions: readonly TopicPartition[]): Promise<void> {
    (await this.#attached.promise).pause(partitions);
    await this.#endTurn();
    if (this.#life === 'starting') this.#life = 'running';
    this.#partitions = partitions.length;
    if (this.#life !== 'running' || !partitions.some(({ partition }) => partition === 0)) return;
    this.#options.log.info({ tables: this.#options.maintenance.tables.length }, 'maintains the tables of the plugin');
    const abort = new AbortController();
    this.#turn = { abort, done: this.#keepMaintaining(abort.signal) };
  }

  /** Never rejects. */
  async #keepMaintaining(signal: AbortSignal): Promise<void> {
    const { rounds, maintenance, interval } = this.#options;
    const names = maintenance.tables.map(({ name }) => name);
    while (!signal.aborted) {
      this.#working = true;
      await rounds.run(names, signal);
      this.#working = false;
      await sleep(interval, undefined, { signal }).catch(() => {}); // the turn is over
    }
  }

  async #endTurn(): Promise<void> {
    const turn = this.#turn;
    this.#partitions = 0;
    turn?.abort.abort();
    await turn?.done;
    if (this.#turn === turn) this.#turn = null;
  }

  get #state(): UnitState {
    if (this.#life === 'draining' || this.#life === 'stopped') return { kind: this.#life };
    if (this.#refused !== null) return { kind: 'paused', ...this.#refused };
    if (this.#life === 'starting') return { kind: 'starting' };
    return { kind: this.#working ? 'working' : 'idle' };
  }

  status(): UnitStatus {
    const { maintenance, rounds } = this.#options;
    return {
      id: maintenance.id,
      plugin: maintenance.plugin.name,
      worker: MAINTENANCE_WORKER,
      state: this.#state,
      counts: NO_RECORDS,
      open: 0,
      delayed: null,
      lag: null,
      oldestOpen: null,
      partitions: this.#partitions,
      balance: null,
      exactResume: null,
      alerts: [...(this.#refused === null ? [] : [this.#refused]), ...rounds.tables.flatMap(({ alerts }) => alerts)],
      held: [],
      postponed: 0,
      tables: rounds.tables,
    };
  }

  /** Ends the step that is at work, and leaves the group. */
  async stop(): Promise<void> {
    if (this.#life === 'stopped') return;
    this.#life = 'draining';
    this.#turn?.abort.abort();
    await this.#starting?.catch(() => {});
    await this.#consumer?.close();
    await this.#endTurn();
    this.#life = 'stopped';
  }
}
