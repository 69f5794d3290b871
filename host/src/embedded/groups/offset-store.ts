import { join } from 'node:path';
import { LineJournal } from '../storage/line-journal.ts';

export interface CommittedOffset {
  readonly offset: number;
  readonly metadata: string;
}

export interface OffsetCommit extends CommittedOffset {
  readonly topic: string;
  readonly partition: number;
}

type Line =
  | readonly [group: string, topic: string, partition: number, offset: number, metadata: string]
  | readonly [group: string, topic?: string];

/** Kafka's limit for the metadata of a commit, in UTF-16 units. */
export const MAX_METADATA_UNITS = 4096;

/** The committed offsets of all groups, in a journal. A line of a group alone deletes the group, one of a group and a topic the topic. */
export class OffsetStore {
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>();
  readonly #journal: LineJournal<Line>;

  constructor(dataDir: string) {
    this.#journal = new LineJournal(join(dataDir, 'offsets.log'), {
      apply: (line) => this.#apply(line),
      current: () => this.#current(),
    });
  }

  /** Lines that did not fit their checksum when the file was opened; the last is the torn tail of a crash. */
  get damagedLines(): number {
    return this.#journal.damagedLines;
  }

  groups(): readonly string[] {
    return [...this.#groups.keys()];
  }

  has(group: string): boolean {
    return this.#groups.has(group);
  }

  get(group: string, topic: string, partition: number): CommittedOffset | undefined {
    return this.#groups.get(group)?.get(topic)?.get(partition);
  }

  /** All partitions that the group has committed, by topic. */
  of(group: string): ReadonlyMap<string, ReadonlyMap<number, CommittedOffset>> {
    return this.#groups.get(group) ?? new Map();
  }

  /** Throws StorageFailure with nothing changed when the disk refuses. */
  commit(group: string, commits: readonly OffsetCommit[]): void {
    this.#journal.append(commits.map(({ topic, partition, offset, metadata }): Line => [group, topic, partition, offset, metadata]));
  }

  deleteGroup(group: string): void {
    this.#journal.append([[group]]);
  }

  /** A topic that is made again under the same name must not meet the offsets of the old one. */
  deleteTopic(topic: string): void {
    const holders = this.groups().filter((group) => this.#groups.get(group)?.has(topic));
    this.#journal.append(holders.map((group): Line => [group, topic]));
  }

  flush(): Promise<void> {
    return this.#journal.flush();
  }

  close(): Promise<void> {
    return this.#journal.close();
  }

  #apply([group, topic, partition, offset, metadata]: Line): void {
    if (topic === undefined) this.#groups.delete(group);
    else if (partition === undefined || offset === undefined) this.#groups.get(group)?.delete(topic);
    else {
      const topics = getOrMake(this.#groups, group, () => new Map<string, Map<number, CommittedOffset>>());
      getOrMake(topics, topic, () => new Map<number, CommittedOffset>()).set(partition, { offset, metadata: metadata ?? '' });
    }
  }

  *#current(): Generator<Line, void, undefined> {
    for (const [group, topics] of this.#groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, { offset, metadata }] of partitions) yield [group, topic, partition, offset, metadata];
      }
    }
  }
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
