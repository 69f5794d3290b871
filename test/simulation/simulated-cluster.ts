import { PipelineError } from '@pipeline-host/sdk';
import type { ConsumerHandlers, ConsumerOptions, KafkaAdmin, KafkaCluster, KafkaConsumer } from '../../host/src/kafka/driver.ts';
import type { Network } from './network.ts';
import { type ConsumerWatch, SimulatedConsumer } from './simulated-consumer.ts';
import type { SimulatedGroup } from './simulated-group.ts';
import { place } from './simulated-log.ts';

/** The port of the engine to Kafka, as one member sees it: what a unit asks for, answered from the log in memory. */
export class SimulatedCluster implements KafkaCluster {
  readonly name = 'default';
  consumer: SimulatedConsumer | null = null;
  readonly #member: string;
  readonly #network: Network;
  readonly #group: SimulatedGroup;
  readonly #watch: ConsumerWatch;

  constructor(member: string, network: Network, group: SimulatedGroup, watch: ConsumerWatch) {
    this.#member = member;
    this.#network = network;
    this.#group = group;
    this.#watch = watch;
  }

  async consume({ drainDeadline = 10_000 }: ConsumerOptions, handlers: ConsumerHandlers): Promise<KafkaConsumer> {
    this.consumer = new SimulatedConsumer(this.#member, this.#network, this.#group, drainDeadline, handlers, this.#watch);
    return this.consumer;
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
      committed: (_group, topics) =>
        answer(() =>
          topics.flatMap((topic) =>
            ends(topic).map(({ partition }) => {
              const stored = log.commits.get(place(topic, partition));
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

  producer = notPartOfIt;
  scan = notPartOfIt;
  read = notPartOfIt;
  async close(): Promise<void> {}
}

async function notPartOfIt(): Promise<never> {
  throw new Error('no unit asks for this while it runs');
}
