import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { BrokerParts } from './broker-parts.ts';
import { type FaultHooks, FaultQueue } from './faults.ts';
import { GroupCoordinator } from './groups/group-coordinator.ts';
import { OffsetStore } from './groups/offset-store.ts';
import { authenticationRoutes } from './handlers/authentication.ts';
import { configRoutes } from './handlers/configs.ts';
import { groupRoutes } from './handlers/groups.ts';
import { recordRoutes } from './handlers/records.ts';
import { topicRoutes } from './handlers/topics.ts';
import { transactionRoutes } from './handlers/transactions.ts';
import type { BrokerSettings } from './options.ts';
import type { Fence } from './ownership/fence.ts';
import { offeredRoutes } from './profiles/offered-routes.ts';
import { Router } from './server/router.ts';
import { TcpServer } from './server/tcp-server.ts';
import { replaceFile } from './storage/atomic-file.ts';
import type { Flushable } from './storage/flushable.ts';
import { provisionTopics } from './topics/provision-topics.ts';
import { TopicStore } from './topics/topic-store.ts';
import { TransactionCoordinator } from './transactions/transaction-coordinator.ts';
import { TransactionStore } from './transactions/transaction-store.ts';

const FLUSH_INTERVAL_MS = 50;
/** Producer ids are reserved on disk this many at a time. */
const PRODUCER_ID_BLOCK = 1_000;

interface Meta {
  readonly clusterId: string;
  readonly nextProducerId: number;
}

/** A running broker on a data folder that the caller owns. */
export class Broker {
  readonly clusterId: string;
  readonly faults: FaultHooks;
  readonly #settings: BrokerSettings;
  readonly #fence: Fence;
  readonly #metaFile: string;
  readonly #cleanFile: string;
  readonly #topics: TopicStore;
  readonly #groups: GroupCoordinator;
  readonly #transactions: TransactionCoordinator;
  readonly #server: TcpServer;
  readonly #unflushed = new Set<Flushable>();
  #nextProducerId: number;
  #reservedProducerIds: number;
  #timers: readonly NodeJS.Timeout[] = [];
  #flushing: Promise<void> | undefined;
  #compacting: Promise<void> | undefined;
  readonly #closing = new AbortController();

  constructor(settings: BrokerSettings, fence: Fence) {
    const { dataDir, log } = settings;
    this.#settings = settings;
    this.#fence = fence;
    this.#metaFile = join(dataDir, 'meta.json');
    this.#cleanFile = join(dataDir, 'clean-shutdown');
    const meta = existsSync(this.#metaFile)
      ? (JSON.parse(readFileSync(this.#metaFile, 'utf8')) as Meta)
      : { clusterId: randomBytes(16).toString('base64url'), nextProducerId: 1 };
    this.clusterId = meta.clusterId;
    this.#nextProducerId = meta.nextProducerId;
    this.#reservedProducerIds = meta.nextProducerId;
    this.#saveMeta(meta.nextProducerId);

    const cleanShutdown = existsSync(this.#cleanFile);
    rmSync(this.#cleanFile, { force: true });
    this.#topics = new TopicStore(dataDir, {
      cleanShutdown,
      defaults: settings,
      onRecovery: (folder, { truncated, corrupt }) =>
        log('warn', 'log recovered after a crash', { folder, truncatedBytes: truncated, corruptBatches: corrupt }),
    });
    provisionTopics(this.#topics, settings);
    const offsets = new OffsetStore(dataDir);
    if (offsets.damagedLines > 0) log('warn', 'committed offsets recovered after a crash', { damagedLines: offsets.damagedLines });
    this.#groups = new GroupCoordinator(offsets);
    const store = new TransactionStore(dataDir);
    if (store.damagedLines > 0) log('warn', 'transactions recovered after a crash', { damagedLines: store.damagedLines });
    const nextProducerId = (): number => this.#takeProducerId();
    const settle = (written: Iterable<Flushable>): Promise<void> => this.#settle(written);
    const isOwner = (): boolean => fence.isMine();
    this.#transactions = new TransactionCoordinator({ store, topics: this.#topics, offsets, nextProducerId, settle, isOwner, log });

    const faults = new FaultQueue();
    this.faults = faults;
    const parts: BrokerParts = {
      settings,
      clusterId: this.clusterId,
      topics: this.#topics,
      groups: this.#groups,
      transactions: this.#transactions,
      nextProducerId,
      settle,
    };
    const areas = [recordRoutes, transactionRoutes, groupRoutes, topicRoutes, configRoutes, authenticationRoutes];
    const routes = areas.flatMap((routesOf) => routesOf(parts));
    const router = new Router(offeredRoutes(routes, settings.profile), faults, isOwner);
    const { maxRequestBytes } = settings;
    const authenticated = settings.sasl === undefined;
    this.#server = new TcpServer({ router, maxRequestBytes, authenticated, log }, settings.tls);
  }

  /** The port in use. Rejects with the system's error. */
  async listen(wanted: number): Promise<number> {
    await this.#transactions.recover();
    const port = await this.#server.listen(this.#settings.host, wanted);
    this.#timers = [
      setInterval(() => void this.#flush(), FLUSH_INTERVAL_MS),
      setInterval(() => this.#clean(), this.#settings.retentionCheckMs),
    ];
    return port;
  }

  /** Ends all connections, then flushes everything; the next start finds nothing to repair. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#groups.close();
    this.#closing.abort();
    await this.#server.close();
    await this.#transactions.close();
    await this.#compacting;
    await this.#flushing;
    await Promise.all([this.#topics.close(), this.#groups.offsets.close()]);
    writeFileSync(this.#cleanFile, '');
  }

  /** Ends all connections and lets go of the files without a word: the folder is another's, who must find nothing of ours in it. */
  async abandon(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    this.#groups.close();
    this.#closing.abort();
    this.#topics.abandon();
    await this.#server.close();
    await this.#transactions.close();
    await this.#compacting;
    await this.#flushing;
    await this.#groups.offsets.close();
  }

  async #settle(written: Iterable<Flushable>): Promise<void> {
    if (this.#settings.fsync === 'always') {
      await Promise.all([...written].map((file) => file.flush()));
      return;
    }
    for (const file of written) this.#unflushed.add(file);
  }

  /** One round at a time: a slow disk must not be asked again before it has answered. */
  #flush(): Promise<void> {
    if (this.#flushing || this.#unflushed.size === 0) return this.#flushing ?? Promise.resolve();
    const files = [...this.#unflushed];
    this.#unflushed.clear();
    this.#flushing = Promise.allSettled(files.map((file) => file.flush())).then((results) => {
      this.#flushing = undefined;
      for (const result of results)
        if (result.status === 'rejected') this.#settings.log('error', 'cannot flush', { error: result.reason as unknown });
    });
    return this.#flushing;
  }

  /** Retention first: what it removes needs no compaction. One compaction at a time, however long it takes. */
  #clean(): void {
    if (!this.#fence.isMine()) return;
    const { log } = this.#settings;
    try {
      this.#topics.applyRetention(Date.now());
      this.#transactions.forgetIdle(Date.now());
    } catch (error) {
      log('error', 'cannot apply retention', { error });
    }
    this.#compacting ??= this.#topics
      .compact(Date.now(), this.#closing.signal, ({ folder }, error) => log('error', 'cannot compact', { folder, error }))
      .finally(() => {
        this.#compacting = undefined;
      });
  }

  #takeProducerId(): number {
    if (this.#nextProducerId >= this.#reservedProducerIds) {
      const reserved = this.#nextProducerId + PRODUCER_ID_BLOCK;
      this.#saveMeta(reserved);
      this.#reservedProducerIds = reserved;
    }
    return this.#nextProducerId++;
  }

  #saveMeta(nextProducerId: number): void {
    const meta: Meta = { clusterId: this.clusterId, nextProducerId };
    replaceFile(this.#metaFile, `${JSON.stringify(meta)}\n`);
  }
}
