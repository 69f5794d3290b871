import { randomUUID } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { type LogOptions, PartitionLog } from '../log/partition-log.ts';
import { StorageFailure } from '../storage/append-file.ts';
import { replaceFile } from '../storage/atomic-file.ts';
import { limitsOf, type TopicConfig, type TopicDefaults } from './topic-config.ts';

export interface Topic {
  readonly name: string;
  readonly partitions: readonly PartitionLog[];
  /** Only what was set for this topic; see `defaultTopicConfig` for the rest. */
  readonly config: TopicConfig;
}

interface SavedTopic {
  readonly name: string;
  readonly partitions: number;
  readonly config: TopicConfig;
}

interface OpenTopic extends Topic {
  readonly partitions: PartitionLog[];
  config: TopicConfig;
}

export interface TopicStoreOptions extends Pick<LogOptions, 'cleanShutdown' | 'onRecovery'> {
  readonly defaults: TopicDefaults;
}

const DELETED = '.deleted-';

/** The topics of a data folder: `topics.json` lists them, `topics/<name>/<partition>/` holds their logs. */
export class TopicStore {
  readonly #folder: string;
  readonly #listFile: string;
  readonly #options: TopicStoreOptions;
  readonly #topics = new Map<string, OpenTopic>();
  #removals: Promise<unknown> = Promise.resolve();

  constructor(dataDir: string, options: TopicStoreOptions) {
    this.#folder = join(dataDir, 'topics');
    this.#listFile = join(dataDir, 'topics.json');
    this.#options = options;
    mkdirSync(this.#folder, { recursive: true });
    const saved = existsSync(this.#listFile) ? (JSON.parse(readFileSync(this.#listFile, 'utf8')) as readonly SavedTopic[]) : [];
    const listed = new Set(saved.map((topic) => topic.name));
    for (const name of readdirSync(this.#folder)) if (!listed.has(name)) this.#discard(join(this.#folder, name));
    for (const topic of saved) this.#open(topic.name, topic.partitions, topic.config, options.cleanShutdown);
  }

  get(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  partition(topic: string, partition: number): PartitionLog | undefined {
    return this.#topics.get(topic)?.partitions[partition];
  }

  all(): readonly Topic[] {
    return [...this.#topics.values()];
  }

  get partitionCount(): number {
    return this.all().reduce((sum, topic) => sum + topic.partitions.length, 0);
  }

  /** The topic is on disk when this returns. The name must be free and valid. */
  create(name: string, partitions: number, config: TopicConfig): Topic {
    const topic = storable(() => this.#open(name, partitions, config, true));
    this.#saveOr(() => this.#drop(topic));
    return topic;
  }

  addPartitions(name: string, count: number): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    const before = topic.partitions.length;
    for (let i = before; i < count; i++) topic.partitions.push(storable(() => this.#openLog(topic, i, true)));
    this.#saveOr(() => {
      for (const log of topic.partitions.splice(before)) log.abandon();
    });
  }

  setConfig(name: string, config: TopicConfig): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    const before = topic.config;
    topic.config = config;
    this.#saveOr(() => {
      topic.config = before;
    });
  }

  delete(name: string): void {
    const topic = this.#topics.get(name);
    if (!topic) return;
    this.#topics.delete(name);
    this.#saveOr(() => {
      this.#topics.set(name, topic);
    });
    this.#drop(topic);
  }

  applyRetention(now: number): void {
    for (const topic of this.#topics.values()) for (const log of topic.partitions) log.applyRetention(now);
  }

  /** Compacts one partition after another where it is worth it; `onError` hears of a log that cannot be, and the others go on. */
  async compact(now: number, signal: AbortSignal, onError: (log: PartitionLog, error: unknown) => void): Promise<void> {
    for (const log of [...this.#topics.values()].flatMap(({ partitions }) => partitions)) {
      if (signal.aborted) return;
      await log.compact(now, signal).catch((error: unknown) => onError(log, error));
    }
  }

  async close(): Promise<void> {
    await Promise.all(this.all().flatMap((topic) => topic.partitions.map((log) => log.close())));
    await this.#removals;
  }

  /** Lets go of all files without a word. */
  abandon(): void {
    for (const topic of this.all()) for (const log of topic.partitions) log.abandon();
  }

  #open(name: string, partitions: number, config: TopicConfig, clean: boolean): OpenTopic {
    const topic: OpenTopic = { name, config, partitions: [] };
    for (let i = 0; i < partitions; i++) topic.partitions.push(this.#openLog(topic, i, clean));
    this.#topics.set(name, topic);
    return topic;
  }

  #openLog(topic: OpenTopic, partition: number, cleanShutdown: boolean): PartitionLog {
    const { defaults, onRecovery } = this.#options;
    let seen: TopicConfig | undefined;
    let limits = limitsOf(topic.config, defaults);
    return new PartitionLog(join(this.#folder, topic.name, String(partition)), {
      cleanShutdown,
      limits: () => {
        if (seen !== topic.config) limits = limitsOf(topic.config, defaults);
        seen = topic.config;
        return limits;
      },
      ...(onRecovery && { onRecovery }),
    });
  }

  #drop(topic: OpenTopic): void {
    this.#topics.delete(topic.name);
    for (const log of topic.partitions) log.abandon();
    this.#discard(join(this.#folder, topic.name));
  }

  /** What cannot be written down does not happen: `undo` takes it back and the error goes on to the caller. */
  #saveOr(undo: () => void): void {
    try {
      storable(() => this.#save());
    } catch (error) {
      undo();
      throw error;
    }
  }

  #save(): void {
    const list: SavedTopic[] = this.all().map(({ name, partitions, config }) => ({ name, partitions: partitions.length, config }));
    replaceFile(this.#listFile, `${JSON.stringify(list, undefined, 1)}\n`);
  }

  /** Out of the way at once, so that the name is free again; off the disk when there is time. */
  #discard(folder: string): void {
    const aside = join(this.#folder, `${DELETED}${randomUUID()}`);
    renameSync(folder, aside);
    this.#removals = Promise.allSettled([this.#removals, rm(aside, { recursive: true, force: true })]);
  }
}

function storable<T>(write: () => T): T {
  try {
    return write();
  } catch (cause) {
    throw new StorageFailure('the data folder cannot be written to', { cause });
  }
}

/** Kafka's rule for topic names. */
export function isTopicName(name: string): boolean {
  return /^[a-zA-Z0-9._-]{1,249}$/.test(name) && name !== '.' && name !== '..' && !name.startsWith(DELETED);
}
