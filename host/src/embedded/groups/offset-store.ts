import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { crc32 } from 'node:zlib';
import { AppendFile } from '../storage/append-file.ts';
import { replaceFile } from '../storage/atomic-file.ts';

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
const COMPACT_ABOVE_BYTES = 4 << 20;

/**
 * The committed offsets of all groups. On disk a file of lines, each with its own checksum, that only grows and is written anew
 * when the broker starts and when it has become mostly history. A line of a group alone deletes the group.
 */
export class OffsetStore {
  readonly #path: string;
  readonly #groups = new Map<string, Map<string, Map<number, CommittedOffset>>>();
  #file: AppendFile;
  #compactedSize = 0;
  /** Lines that did not fit their checksum when the file was opened; the last is the torn tail of a crash. */
  readonly damagedLines: number;

  constructor(dataDir: string) {
    this.#path = join(dataDir, 'offsets.log');
    this.damagedLines = existsSync(this.#path) ? this.#replay(readFileSync(this.#path, 'utf8')) : 0;
    this.#file = this.#compact();
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
    this.#append(commits.map(({ topic, partition, offset, metadata }): Line => [group, topic, partition, offset, metadata]));
  }

  deleteGroup(group: string): void {
    this.#append([[group]]);
  }

  /** A topic that is made again under the same name must not meet the offsets of the old one. */
  deleteTopic(topic: string): void {
    const holders = this.groups().filter((group) => this.#groups.get(group)?.has(topic));
    this.#append(holders.map((group): Line => [group, topic]));
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async close(): Promise<void> {
    await this.#file.flush();
    await this.#file.close();
  }

  #append(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    this.#file.append(Buffer.from(lines.map(formatLine).join('')));
    for (const line of lines) this.#apply(line);
    if (this.#file.size > COMPACT_ABOVE_BYTES && this.#file.size > 4 * this.#compactedSize) this.#shrink();
  }

  /** Housekeeping: what was just appended is stored whether or not there is room for a shorter copy. */
  #shrink(): void {
    const old = this.#file;
    try {
      this.#file = this.#compact();
      void old.close();
    } catch {
      this.#compactedSize = old.size; // tried again when the file has grown as much once more
    }
  }

  #apply([group, topic, partition, offset, metadata]: Line): void {
    if (topic === undefined) this.#groups.delete(group);
    else if (partition === undefined || offset === undefined) this.#groups.get(group)?.delete(topic);
    else {
      const topics = getOrMake(this.#groups, group, () => new Map<string, Map<number, CommittedOffset>>());
      getOrMake(topics, topic, () => new Map<number, CommittedOffset>()).set(partition, { offset, metadata: metadata ?? '' });
    }
  }

  #replay(text: string): number {
    let damaged = 0;
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const parsed = parseLine(line);
      if (parsed) this.#apply(parsed);
      else damaged += 1;
    }
    return damaged;
  }

  #compact(): AppendFile {
    const lines: string[] = [];
    for (const [group, topics] of this.#groups) {
      for (const [topic, partitions] of topics) {
        for (const [partition, { offset, metadata }] of partitions) lines.push(formatLine([group, topic, partition, offset, metadata]));
      }
    }
    replaceFile(this.#path, lines.join(''));
    const file = new AppendFile(this.#path);
    this.#compactedSize = file.size;
    return file;
  }
}

function formatLine(line: Line): string {
  const json = JSON.stringify(line);
  return `${checksum(json)} ${json}\n`;
}

function parseLine(line: string): Line | undefined {
  const json = line.slice(9);
  if (line.slice(0, 9) !== `${checksum(json)} `) return undefined;
  return JSON.parse(json) as Line;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}

function getOrMake<K, V>(map: Map<K, V>, key: K, make: () => V): V {
  const found = map.get(key);
  if (found !== undefined) return found;
  const made = make();
  map.set(key, made);
  return made;
}
