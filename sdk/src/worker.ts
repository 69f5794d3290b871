import type { Static, TSchema } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';
import type { Duration } from './duration.ts';
import type { Outcome, Output, OutputsOf } from './outcome.ts';
import type { Http, Log, Metrics, Objects, RecordInfo, Staging } from './services.ts';
import type { MessageOf, TopicDefinition } from './topic.ts';

/** What a service of the plugin is made with, once a process. */
export interface ServiceContext<Config = unknown> {
  readonly config: Config;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly http: Http;
}

/** Services by name. One with a `close()` method is closed by the host, after its workers, in reverse order. */
export type ServiceFactories<Config = unknown> = { readonly [name: string]: (context: ServiceContext<Config>) => unknown };

/** What the factories made. */
export type ServicesOf<Factories> = {
  readonly [Name in keyof Factories]: Factories[Name] extends (context: never) => infer Service ? Awaited<Service> : never;
};

/** The plugin's services, typed by its config schema, so that workers in other files can name them. */
export function defineServices<Config extends TSchema, const Factories extends ServiceFactories<Static<Config>>>(
  _config: Config,
  factories: Factories,
): Factories {
  return factories;
}

/** What a handler gets beside its message. Nothing in it can commit or lose a record. */
export interface WorkerContext<Config = unknown, Services = unknown> {
  readonly config: Config;
  readonly services: Services;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly http: Http;
  readonly objects: Objects;
  readonly staging: Staging;
  /** Aborted at the deadline, when the partition is lost, and when the host stops for good. */
  readonly signal: AbortSignal;
  /** Epoch milliseconds. */
  readonly deadline: number;
  /** 1 for the first try. */
  readonly attempt: number;
  readonly record: RecordInfo;
  /**
   * Calls back when the outputs of this record are acknowledged and it is settled as done. Never for a record that is
   * retried, skipped or dead. For what may be remembered only then.
   */
  readonly onAcknowledged: (callback: () => void) => void;
}

/** Why a record went to the dead letters. */
export interface Failure {
  readonly code: string;
  readonly reason: string;
  readonly attempts: number;
  /** The error that was thrown or returned, if there was one. */
  readonly error: unknown;
}

/** `key`: one record a key at a time, many keys at once. `partition`: one record at a time. `none`: as they come. */
export type Order = 'key' | 'partition' | 'none';

export interface RetryPolicy {
  /** One wait before each further attempt; after the last the record is dead. Default 5, 10, 20, 40 minutes. */
  readonly delays?: readonly Duration[];
  /**
   * Other waits for errors with a code, or with a code that begins like `SHOP_*`; the longest that fits counts. Each wait is
   * one of `delays`; none at all: dead at the first failure.
   */
  readonly byCode?: Readonly<Record<string, { readonly delays: readonly Duration[] }>>;
}

/**
 * Where a failed record waits for its next attempt. `delay`: in the retry topic; later records of its key overtake it.
 * `hold`: in place, with waits of 1 to 10 s; its key waits behind it, at most 5 minutes and 1,000 records, then it is dead
 * and the key goes on.
 */
export type OnRetry = 'delay' | 'hold';

interface WorkerOptions<Topic extends TopicDefinition, Produces extends readonly TopicDefinition[], Config extends TSchema, Services> {
  readonly consumes: Topic;
  /** Topics that the handler may send to. */
  readonly produces?: Produces;
  /** The plugin's config schema: types `ctx.config`. */
  readonly config?: Config;
  /** The plugin's services: types `ctx.services`. */
  readonly services?: Services;
  /** Records in handling at once, over all partitions. Default 10. */
  readonly concurrency?: number;
  readonly order?: Order;
  /** A handler's time. Default 60 s. */
  readonly timeout?: Duration;
  /** Default `delay`. */
  readonly onRetry?: OnRetry;
  readonly retry?: RetryPolicy;
  /** Called when a record goes to the dead letters for any reason but an unreadable message; its outputs are acknowledged before the record settles. */
  onDead?(
    message: MessageOf<Topic>,
    failure: Failure,
    context: WorkerContext<Static<Config>, ServicesOf<Services>>,
  ): readonly OutputsOf<Produces>[] | Promise<readonly OutputsOf<Produces>[]>;
}

interface HandlesOne<Topic extends TopicDefinition, Produces extends readonly TopicDefinition[], Config extends TSchema, Services> {
  /** Handles one message. May throw: see the error classes. */
  handle(
    message: MessageOf<Topic>,
    context: WorkerContext<Static<Config>, ServicesOf<Services>>,
  ): Outcome<OutputsOf<Produces>> | Promise<Outcome<OutputsOf<Produces>>>;
  readonly handleBatch?: undefined;
}

/** One message of a batch, with its own context. */
export interface BatchItem<Message, Context> {
  readonly message: Message;
  readonly context: Context;
}

interface HandlesBatch<Topic extends TopicDefinition, Produces extends readonly TopicDefinition[], Config extends TSchema, Services> {
  /** Messages in one batch at most. Default 100. */
  readonly batchSize?: number;
  /**
   * Handles several messages: for each key a run of consecutive records in order; a key is in one running batch at a time.
   * Returns one outcome a message, in the order of the messages. A call that throws fails all of them; where that is an
   * outage, each is handled again in a call of its own.
   */
  handleBatch(
    items: readonly BatchItem<MessageOf<Topic>, WorkerContext<Static<Config>, ServicesOf<Services>>>[],
  ): readonly Outcome<OutputsOf<Produces>>[] | Promise<readonly Outcome<OutputsOf<Produces>>[]>;
  readonly handle?: undefined;
}

/** A worker as the host sees it. */
export interface WorkerDefinition extends Branded<'worker'> {
  readonly consumes: TopicDefinition;
  readonly produces: readonly TopicDefinition[];
  readonly config: TSchema | undefined;
  readonly services: ServiceFactories<never> | undefined;
  readonly concurrency: number | undefined;
  readonly order: Order;
  readonly timeout: Duration | undefined;
  readonly onRetry: OnRetry | undefined;
  readonly retry: RetryPolicy;
  readonly batchSize: number | undefined;
  handle?(message: unknown, context: WorkerContext): Outcome | Promise<Outcome>;
  handleBatch?(items: readonly BatchItem<unknown, WorkerContext>[]): readonly Outcome[] | Promise<readonly Outcome[]>;
  onDead?(message: unknown, failure: Failure, context: WorkerContext): readonly Output[] | Promise<readonly Output[]>;
}

/**
 * A worker: consumes one topic, handles each message (`handle`) or several at once (`handleBatch`), sends outputs.
 *
 * The handler's message, config, services and outputs are typed from the definitions; sending to a topic that is not in
 * `produces` does not compile.
 */
export function defineWorker<
  Topic extends TopicDefinition,
  const Produces extends readonly TopicDefinition[] = readonly [],
  Config extends TSchema = TSchema,
  Services = Record<never, never>,
>(
  options: WorkerOptions<Topic, Produces, Config, Services> &
    (HandlesOne<Topic, Produces, Config, Services> | HandlesBatch<Topic, Produces, Config, Services>),
): WorkerDefinition {
  const given = (options ?? {}) as unknown as Omit<Partial<WorkerDefinition>, 'consumes'> & { readonly consumes: TopicDefinition };
  return brand(
    'worker',
    {
      ...given,
      produces: given.produces ?? [],
      config: given.config,
      services: given.services,
      concurrency: given.concurrency,
      order: given.order ?? 'key',
      timeout: given.timeout,
      onRetry: given.onRetry,
      retry: given.retry ?? {},
      batchSize: given.batchSize,
    },
    given,
  );
}
