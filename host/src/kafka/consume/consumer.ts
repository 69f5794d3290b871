import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineError } from '@pipeline-host/sdk';
import type { Consumer } from 'kafkajs';
import { classify, type Where } from '../classify.ts';
import { openClient } from '../client.ts';
import { type ClusterConfig, SESSION_TIMEOUT } from '../cluster-config.ts';
import type { CommitAnswer, CommitOffset, ConsumerHandlers, ConsumerOptions, KafkaConsumer, KafkaLog, TopicPartition } from '../driver.ts';
import { lanesAssigner } from './assigner.ts';
import { leaveGroup } from './leave-group.ts';
import { Member } from './member.ts';

/** An outage is asked after often; what people have to mend, less. */
const REBUILD_MILLISECONDS = { first: 100, most: 2_000, mostRefused: 10_000 } as const;

/**
 * What a fetch may bring. A broker cuts what it sends off at these bytes, also in the middle of a batch, whose rest then
 * comes again whole: well above the size of the batches that producers send, hardly anything is sent twice.
 */
export const FETCH_BYTES = { partition: 1_048_576, all: 4_194_304 } as const;

interface Life {
  readonly member: Member;
  readonly consumer: Consumer;
}

/**
 * A consumer that outlives its kafkajs consumers: each crash ends one life and a new one is built, for ever, with jittered
 * back-off. kafkajs never restarts one itself, so there is never a live process with a dead consumer. Only a group that
 * may not let this member in ends it: its unit fails, and says so.
 */
export class GroupConsumer implements KafkaConsumer {
  readonly #config: ClusterConfig;
  readonly #options: ConsumerOptions;
  readonly #handlers: ConsumerHandlers;
  readonly #log: KafkaLog;
  readonly #where: Where;
  readonly #closed = new AbortController();
  #life: Life | undefined;
  #epoch = 0;
  #failures = 0;
  /** Of the last life, where it ended without leaving the group. */
  #formerId: string | null = null;
  #closing: Promise<void> | undefined;
  #rebuilding: Promise<void> | undefined;

  private constructor(config: ClusterConfig, options: ConsumerOptions, handlers: ConsumerHandlers, log: KafkaLog) {
    this.#config = config;
    this.#options = options;
    this.#handlers = handlers;
    this.#log = log;
    this.#where = {
      cluster: config.name,
      get brokers() {
        return config.brokers;
      },
      place: `group '${options.group}' on ${[...options.topics, ...(options.laneTopic === undefined ? [] : [options.laneTopic.topic])].join(', ')}`,
    };
  }

  /** Connects and subscribes; no handler is called before the promise has resolved. */
  static async open(config: ClusterConfig, options: ConsumerOptions, handlers: ConsumerHandlers, log: KafkaLog): Promise<GroupConsumer> {
    const opened = new GroupConsumer(config, options, handlers, log);
    const life = await opened.#connect();
    setImmediate(() => opened.#run(life));
    options.signal?.addEventListener('abort', () => void opened.close(), {
      once: true,
    });
    if (options.signal?.aborted === true) await opened.close();
    return opened;
  }

  pause(partitions: readonly TopicPartition[]): void {
    this.#steer(partitions, (consumer, topics) => consumer.pause(topics));
  }

  resume(partitions: readonly TopicPartition[]): void {
    this.#steer(partitions, (consumer, topics) => consumer.resume(topics));
  }

  seek({ topic, partition, offset }: TopicPartition & { readonly offset: number }): void {
    const life = this.#life;
    if (life?.member.assigned({ topic, partition }) === true) life.consumer.seek({ topic, partition, offset: String(offset) });
  }

  async commit(epoch: number, offsets: readonly CommitOffset[]): Promise<CommitAnswer> {
    const life = this.#life;
    if (life === undefined) return 'stale';
    try {
      return await life.member.commit(epoch, offsets);
    } catch (error) {
      throw classify(error, this.#where);
    }
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#closed.abort();
    await this.#rebuilding;
    const life = this.#life;
    if (life === undefined) return;
    await life.member.close();
    await life.consumer.disconnect().catch((error: unknown) => this.#log.debug('leaving the group failed', { error: String(error) }));
    this.#life = undefined;
  }

  /** What is not assigned (any more) is left alone: the next assignment starts with everything resumed. */
  #steer(
    partitions: readonly TopicPartition[],
    act: (consumer: Consumer, topics: { topic: string; partitions: number[] }[]) => void,
  ): void {
    const life = this.#life;
    if (life === undefined) return;
    const held = partitions.filter((partition) => life.member.assigned(partition));
    if (held.length > 0)
      act(
        life.consumer,
        held.map(({ topic, partition }) => ({
          topic,
          partitions: [partition],
        })),
      );
  }

  async #connect(): Promise<Life> {
    const { group, topics, laneTopic, maxBytesPerPartition, maxBytes, maxWait, drainDeadline = 10_000 } = this.#options;
    const sessionTimeout = this.#options.sessionTimeout ?? this.#config.sessionTimeout ?? SESSION_TIMEOUT;
    const heartbeatInterval = Math.min(500, Math.floor(sessionTimeout / 6));
    const member = new Member({
      group,
      handlers: this.#handlers,
      log: this.#log,
      heartbeatInterval,
      sessionTimeout,
      formerId: this.#formerId,
      drainDeadline,
      nextEpoch: () => ++this.#epoch,
      access: (refused) => {
        // Not when it has joined: a member whose heartbeats are refused would leave and join without pause.
        if (refused === null) this.#failures = 0;
        this.#handlers.onAccess(refused === null ? null : classify(refused, this.#where));
      },
      leave: (memberId) => leaveGroup(this.#config, group, memberId, this.#log),
    });
    const consumer = openClient(this.#config, this.#log).consumer({
      groupId: group,
      partitionAssigners: [lanesAssigner(laneTopic, member)],
      // Few: kafkajs looks its coordinator up only when it joins, so with a dead one every retry just repeats records.
      retry: { retries: 2, restartOnFailure: async () => false },
      sessionTimeout,
      rebalanceTimeout: Math.max(60_000, 2 * drainDeadline),
      heartbeatInterval,
      maxWaitTimeInMs: maxWait ?? 250,
      minBytes: 1,
      maxBytesPerPartition: maxBytesPerPartition ?? FETCH_BYTES.partition,
      maxBytes: maxBytes ?? FETCH_BYTES.all,
      metadataMaxAge: 60_000,
      allowAutoTopicCreation: false,
    });
    const life = { member, consumer };
    consumer.on(consumer.events.CRASH, ({ payload }) => this.#crashed(life, payload.error));
    try {
      await consumer.connect();
      // Always from the beginning: `latest` would skip what retention left (libraries lesson), start positions are commits.
      await consumer.subscribe({
        topics: [...new Set(laneTopic === undefined ? topics : [...topics, laneTopic.topic])],
        fromBeginning: true,
      });
    } catch (error) {
      await consumer.disconnect().catch(() => {});
      throw classify(error, this.#where);
    }
    this.#life = life;
    return life;
  }

  #run(life: Life): void {
    if (this.#closed.signal.aborted) return;
    // Batches are taken in the fetch hook; eachBatch never sees one.
    life.consumer
      .run({
        autoCommit: false,
        eachBatchAutoResolve: false,
        eachBatch: async () => {},
      })
      .catch((error: unknown) => this.#crashed(life, error));
  }

  #crashed(life: Life, error: unknown): void {
    if (this.#life !== life) return;
    life.member.lose();
    if (this.#closed.signal.aborted) return;
    this.#life = undefined;
    this.#formerId = life.member.memberId;
    const fault = classify(error, this.#where);
    this.#handlers.onError(fault);
    if (fault.kind === 'fatal') return;
    this.#rebuilding = this.#rebuild(fault).finally(() => {
      this.#rebuilding = undefined;
    });
  }

  async #rebuild(cause: PipelineError): Promise<void> {
    const { signal } = this.#closed;
    let { kind } = cause;
    while (!signal.aborted) {
      const { first, most, mostRefused } = REBUILD_MILLISECONDS;
      const backoff = Math.min(kind === 'unavailable' ? most : mostRefused, first * 2 ** this.#failures++);
      await sleep(backoff * (0.5 + Math.random() / 2), undefined, {
        signal,
      }).catch(() => {});
      if (signal.aborted) return;
      try {
        const life = await this.#connect();
        this.#run(life);
        return;
      } catch (error) {
        const fault = classify(error, this.#where);
        kind = fault.kind;
        this.#handlers.onError(fault);
      }
    }
  }
}
