import { isPipelineError } from '@pipeline-host/sdk';
import { DispositionJournal } from '../../host/src/dlq/disposition-journal.ts';
import type { DeadLetterQueue, QueueWorker } from '../../host/src/dlq/queues.ts';
import { Replays } from '../../host/src/dlq/replays.ts';
import type { HostLog } from '../../host/src/observability/logger.ts';
import type { Network } from './network.ts';
import { SimulatedCluster } from './simulated-cluster.ts';
import type { Stored } from './simulated-log.ts';
import { SimulatedProducer } from './simulated-producer.ts';
import { DEAD, DISPOSITIONS } from './worker-names.ts';

/** What an operator may hear: somebody else was faster, or the broker does not answer. */
const EXPECTED: ReadonlySet<string> = new Set([
  'PH_DLQ_ALREADY_DISPOSED',
  'PH_DLQ_IN_PROGRESS',
  'PH_KAFKA_UNREACHABLE',
  'PH_KAFKA_UNAVAILABLE',
]);

export interface OperatorOptions {
  readonly name: string;
  readonly network: Network;
  readonly workers: readonly QueueWorker[];
  readonly log: HostLog;
  readonly tell: (line: () => string) => void;
  readonly fail: (what: string) => void;
}

/** A process that replays dead letters: the code of the admin API, on a log in memory. */
export class SimulatedOperator {
  readonly #options: OperatorOptions;
  readonly #producer: SimulatedProducer;
  readonly #cluster: SimulatedCluster;
  readonly #journal: DispositionJournal;
  readonly #replays: Replays;
  /** Nothing of it is to come any more. */
  isDone = true;

  constructor(options: OperatorOptions) {
    const { network, workers, log } = options;
    this.#options = options;
    this.#producer = new SimulatedProducer(network);
    this.#cluster = new SimulatedCluster(network, { producer: this.#producer });
    const queue: DeadLetterQueue = { name: DEAD, cluster: 'default', topic: DEAD, dispositionTopic: DISPOSITIONS, workers };
    const clusters = { get: async () => this.#cluster };
    const producer = async () => this.#producer;
    this.#journal = new DispositionJournal({ queue, clusters, producer, create: false, log });
    this.#replays = new Replays({ queue, clusters, journal: this.#journal, producer, log });
  }

  async replay(partition: number, letter: Stored): Promise<void> {
    const { name, tell, fail } = this.#options;
    if (letter === null) {
      fail(`${name} was to replay a dead letter that is none`);
      return;
    }
    this.isDone = false;
    tell(() => `${name} replays dead letter ${partition}/${letter.offset}`);
    try {
      await this.#replays.replay({ ...letter, topic: DEAD, partition }, { actor: name, reason: null, again: false });
      tell(() => `${name} has replayed dead letter ${partition}/${letter.offset}`);
    } catch (error) {
      if (!isPipelineError(error) || !EXPECTED.has(error.code)) fail(`${name} could not replay a dead letter: ${String(error)}`);
      tell(() => `${name} hears ${isPipelineError(error) ? error.code : String(error)}`);
    }
    this.isDone = true;
  }

  /** Settles what others left unfinished, as every host does by itself. Resolves when nothing is. */
  async settleAll(): Promise<void> {
    this.isDone = false;
    do {
      await this.#options.network.time.sleep(5_000);
      await this.#replays.follow().catch(() => {}); // no broker answers: again
    } while (this.#journal.pending.length > 0);
    this.isDone = true;
  }

  /** Its process dies; what it had sent arrives so much later, if at all. */
  kill(lateBy: number): void {
    if (this.isDone) return;
    this.#options.tell(() => `${this.#options.name} is killed`);
    this.#producer.kill(lateBy);
    this.#cluster.kill();
    this.#replays.close();
    this.isDone = true;
  }

  close(): void {
    this.#replays.close();
  }
}
