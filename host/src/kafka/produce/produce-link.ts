import { setTimeout as sleep } from 'node:timers/promises';
import { openBareCluster } from '../bare-cluster.ts';
import { brokerErrorType } from '../classify.ts';
import type { ClusterConfig } from '../cluster-config.ts';
import type { KafkaLog } from '../driver.ts';
import type { ClusterInternals, ProduceAnswer } from '../kafkajs-internals.ts';
import { produceTo } from '../repairs.ts';
import type { EncodedBatch } from './produce-encoder.ts';
import type { ProducerIdentity } from './sequences.ts';

/** Refusals of a topic that spoil the metadata of all that were asked for with it. */
const ABOUT_TOPIC = new Set(['UNKNOWN_TOPIC_OR_PARTITION', 'INVALID_TOPIC_EXCEPTION', 'TOPIC_AUTHORIZATION_FAILED']);
/** A broker that has just started gives no producer ids yet. */
const LOADING = new Set(['GROUP_LOAD_IN_PROGRESS', 'GROUP_COORDINATOR_NOT_AVAILABLE', 'NOT_COORDINATOR_FOR_GROUP']);
const IDENTIFY_TRIES = 10;
const IDENTIFY_MILLISECONDS = { first: 50, most: 1_000 } as const;
const METADATA_MAX_AGE = 60_000;

const isAboutTopic = (error: unknown): boolean => ABOUT_TOPIC.has(brokerErrorType(error) ?? '');

/**
 * What a producer needs of kafkajs: connections, metadata, and single requests. Its own producer is not used. It sends to
 * all leaders at once and, when one of them fails, tries again while the others have not answered yet; their batches go
 * out a second time under new sequence numbers, and are stored twice. The same happens to a batch that was acknowledged
 * already where its partition moves to a leader that was not.
 */
export class ProduceLink {
  readonly #cluster: ClusterInternals;
  readonly close: () => Promise<void>;
  #isStale = false;

  private constructor(cluster: ClusterInternals, close: () => Promise<void>) {
    this.#cluster = cluster;
    this.close = close;
  }

  static async open(config: ClusterConfig, log: KafkaLog): Promise<ProduceLink> {
    const { cluster, close } = await openBareCluster(config, log, { metadataMaxAge: METADATA_MAX_AGE });
    return new ProduceLink(cluster, close);
  }

  /** Who leads what may have changed: the next look-up asks again. */
  distrust(): void {
    this.#isStale = true;
  }

  /** Learns partitions and leaders of the topics. Gives those that the cluster refuses, with the reason; throws where it cannot be asked. */
  async lookUp(topics: readonly string[]): Promise<ReadonlyMap<string, unknown>> {
    const cluster = this.#cluster;
    if (!cluster.isConnected()) await cluster.connect();
    // Only what is sent to is asked for: a topic that was deleted must not spoil the answer for the others.
    if (this.#isStale) cluster.targetTopics = new Set();
    try {
      if (cluster.targetTopics.size > 0) await cluster.refreshMetadataIfNecessary();
    } catch (error) {
      if (!isAboutTopic(error)) throw error;
      cluster.targetTopics = new Set();
    }
    const refused = new Map<string, unknown>();
    const wanted = topics.filter((topic) => !cluster.targetTopics.has(topic));
    if (wanted.length === 0) return refused;
    try {
      await cluster.addMultipleTargetTopics(wanted);
    } catch (error) {
      if (!isAboutTopic(error)) throw error;
      for (const topic of wanted) {
        try {
          await cluster.addMultipleTargetTopics([topic]);
        } catch (refusal) {
          if (!isAboutTopic(refusal)) throw refusal;
          refused.set(topic, refusal);
        }
      }
    }
    this.#isStale = false;
    return refused;
  }

  partitionsOf(topic: string): readonly { readonly partitionId: number }[] {
    return this.#cluster.findTopicPartitionMetadata(topic);
  }

  /** Node that leads the partition; -1 while there is none. */
  leaderOf(topic: string, partition: number): number {
    return this.#cluster.findTopicPartitionMetadata(topic).find(({ partitionId }) => partitionId === partition)?.leader ?? -1;
  }

  /** Connects to the node. What is given then sends one request; where that rejects, nobody knows what the broker stored. */
  async reach(node: number): Promise<(batches: readonly EncodedBatch[]) => Promise<readonly ProduceAnswer[]>> {
    const broker = await this.#cluster.findBroker({ nodeId: node });
    return (batches) => produceTo(broker, batches);
  }

  /** An identity that nobody had before. */
  async identify(): Promise<ProducerIdentity> {
    for (let tries = 1; ; tries++) {
      try {
        await this.#cluster.refreshMetadataIfNecessary();
        const broker = await this.#cluster.findControllerBroker();
        const { producerId, producerEpoch } = await broker.initProducerId({ transactionTimeout: 60_000 });
        return { producerId, producerEpoch };
      } catch (error) {
        if (tries === IDENTIFY_TRIES || !LOADING.has(brokerErrorType(error) ?? '')) throw error;
        await sleep(Math.min(IDENTIFY_MILLISECONDS.most, IDENTIFY_MILLISECONDS.first * 2 ** tries));
      }
    }
  }
}
