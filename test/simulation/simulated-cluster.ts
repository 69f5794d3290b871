import { PipelineError, UnavailableError } from '@pipeline-host/sdk';
import type {
  ConsumerHandlers,
  ConsumerOptions,
  KafkaAdmin,
  KafkaCluster,
  KafkaConsumer,
  KafkaProducer,
  LocatedRecord,
  ReadOptions,
} from '../../host/src/kafka/driver.ts';
import type { Network } from './network.ts';
import { place } from './simulated-log.ts';

/** What a process may do beside asking and reading: be a member of a group, or send. */
export interface Role {
  readonly consume?: (options: ConsumerOptions, handlers: ConsumerHandlers) => KafkaConsumer;
  readonly producer?: KafkaProducer;
}

/** The port of the engine to Kafka, as one process sees it: what it asks for, answered from the log in memory. */
export class SimulatedCluster implements KafkaCluster {
  readonly name = 'default';
  readonly #network: Network;
  readonly #role: Role;
  #isDead = false;

  constructor(network: Network, role: Role) {
    this.#network = network;
    this.#role = role;
  }

  async consume(options: ConsumerOptions, handlers: ConsumerHandlers): Promise<KafkaConsumer> {
    return this.#role.consume?.(options, handlers) ?? notPartOfIt();
  }

  async producer(): Promise<KafkaProducer> {
    return this.#role.producer ?? notPartOfIt();
  }

  /** Its process is dead, and is answered nothing any more. */
  kill(): void {
    this.#isDead = true;
  }

  async admin(): Promise<KafkaAdmin> {
    const { log } = this.#network;
    const answer = async <Answer>(make: () => Answer): Promise<Answer> => {
      await this.#network.pass('answer');
      if (log.isDown) throw new PipelineError('PH_KAFKA_UNREACHABLE', 'no broker answers');
      return make();
    };
    const ends = (topic: string) =>
      (log.topics.get(topic) ?? []).map((records, partition) => ({ partition, low: 0, high: records.length, offset: records.length }));
    return {
      clusterId: async () => 'simulated',
      listTopics: () => answer(() => [...log.topics.keys()]),
      describeTopics: (names) =>
        answer(
          () => new Map(names.map((name) => [name, { partitions: log.topics.get(name)?.length ?? 0, config: { 'retention.ms': '-1' } }])),
        ),
      topicRights: () => answer(() => new Map()),
      offsets: (topic) => answer(() => ends(topic)),
      offsetsAt: (topic) => answer(() => ends(topic)),
      committed: (group, topics) =>
        answer(() =>
          topics.flatMap((topic) =>
            ends(topic).map(({ partition }) => {
              const stored = log.commitsOf(group).get(place(topic, partition));
              return { topic, partition, offset: stored?.offset ?? null, metadata: stored?.metadata ?? null };
            }),
          ),
        ),
      createTopics: notPartOfIt,
      deleteTopics: notPartOfIt,
      setOffsets: notPartOfIt,
      maxMessageBytes: notPartOfIt,
      close: async () => {},
    };
  }

  /** Taken from here and called by itself. */
  readonly scan = async ({ topic, partitions, from, to }: ReadOptions, visit: (record: LocatedRecord) => void): Promise<void> => {
    const { log } = this.#network;
    const wanted = partitions ?? (log.topics.get(topic) ?? []).map((_, partition) => partition);
    const ends = new Map(wanted.map((partition) => [partition, to?.get(partition) ?? log.partition(topic, partition).length]));
    await this.#network.pass('fetch');
    if (this.#isDead) return new Promise(() => {});
    if (log.isDown) throw new UnavailableError('PH_KAFKA_UNREACHABLE', 'no broker answers');
    for (const [partition, end] of ends)
      for (const record of log.partition(topic, partition).slice(from?.get(partition) ?? 0, end))
        if (record !== null) visit({ ...record, topic, partition });
  };

  read = notPartOfIt;
  async close(): Promise<void> {}
}

async function notPartOfIt(): Promise<never> {
  throw new Error('nobody asks for this while it runs');
}
