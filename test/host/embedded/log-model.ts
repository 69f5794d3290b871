import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ErrorCode } from '../../../host/src/embedded/index.ts';
import { type LogLimits, PartitionLog } from '../../../host/src/embedded/log/partition-log.ts';
import { buildBatch, type Codec, readBatches, type SeenBatch, type SeenRecord } from './batch-builder.ts';

/** Everything a log holds, as its readers find it from `from` on in pieces of `maxBytes`. */
export function readWhole(log: PartitionLog, from = log.startOffset, maxBytes = 700, before = log.endOffset): readonly SeenBatch[] {
  const batches: SeenBatch[] = [];
  for (let offset = from; ; ) {
    const bytes = log.read(offset, maxBytes, before);
    if (!bytes) return batches;
    const read = readBatches(bytes);
    assert.ok((read[0]?.lastOffset ?? -1) >= offset, 'a read never goes back');
    batches.push(...read);
    offset = (read.at(-1)?.lastOffset ?? 0) + 1;
  }
}

/** The records that a reader of committed ones hands on, by the rules of Kafka's own consumer. */
export function readCommitted(log: PartitionLog, from = log.startOffset, maxBytes = 700): readonly SeenRecord[] {
  const seen: SeenRecord[] = [];
  for (let offset = from; ; ) {
    const bytes = log.read(offset, maxBytes, log.lastStableOffset);
    if (!bytes) return seen;
    const waiting = [...log.abortedAmong(offset, bytes)];
    const aborted = new Set<number>();
    for (const batch of readBatches(bytes)) {
      while (waiting[0] && waiting[0].firstOffset <= batch.lastOffset) aborted.add((waiting.shift() as { producerId: number }).producerId);
      if (batch.marker === 'abort') aborted.delete(batch.producerId);
      if (batch.marker === undefined && !(batch.isTransactional && aborted.has(batch.producerId)))
        seen.push(...batch.records.filter((record) => record.offset >= from));
      offset = batch.lastOffset + 1;
    }
  }
}

export const PRODUCERS = [11, 12, 13] as const;

interface Written extends SeenRecord {
  readonly producerId: number;
  state: 'committed' | 'open' | 'aborted';
}

interface ModelProducer {
  sequence: number;
  open: boolean;
  last: Buffer | undefined;
  lastOffset: number;
}

/** A log and what it ought to hold, told by the same calls. Time stands still but for `advance`. */
export class LogModel {
  readonly folder: string;
  readonly limits: LogLimits;
  log: PartitionLog;
  now = 1_000_000;
  readonly #written = new Map<number, Written>();
  readonly #producers = new Map(
    PRODUCERS.map((id) => [id as number, { sequence: 0, open: false, last: undefined, lastOffset: -1 } as ModelProducer]),
  );
  /** When a compaction that was not interrupted first covered the tombstone. */
  readonly #cleanedAt = new Map<number, number>();
  #values = 0;
  readonly #keysAtOnce: number;

  constructor(folder: string, limits: LogLimits, keysAtOnce: number) {
    this.folder = folder;
    this.limits = limits;
    this.#keysAtOnce = keysAtOnce;
    this.log = this.#open(true);
  }

  get deleteRetentionMs(): number {
    return this.limits.compaction?.deleteRetentionMs ?? 0;
  }

  get cleanedTo(): number {
    const path = join(this.folder, 'compaction.json');
    return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as { readonly cleanedTo: number }).cleanedTo : 0;
  }

  write(producerId: number, keys: readonly number[], tombstones: boolean, codec: Codec): void {
    const producer = this.#producers.get(producerId);
    const records = keys.map((key) => ({ key: keyName(key), value: tombstones && key % 2 === 0 ? null : `value ${this.#values++}` }));
    const identity = producer ? { producerId, sequence: producer.sequence, transactional: true } : {};
    const batch = buildBatch({ values: records, codec, timestamp: this.now, ...identity });
    const result = this.log.append(Buffer.from(batch), () => ErrorCode.NONE);
    assert.ok(result.error === ErrorCode.NONE && 'offset' in result);
    for (const [i, { key, value }] of records.entries()) {
      const offset = result.offset + i;
      this.#written.set(offset, {
        offset,
        key,
        value,
        timestamp: this.now,
        producerId: producer ? producerId : -1,
        state: producer ? 'open' : 'committed',
      });
    }
    if (producer)
      Object.assign(producer, { sequence: producer.sequence + keys.length, open: true, last: batch, lastOffset: result.offset });
  }

  /** An idempotent producer that got no answer sends again; nothing may come of it. */
  repeat(producerId: number): void {
    const producer = this.#producers.get(producerId);
    if (!producer?.last) return;
    const end = this.log.endOffset;
    assert.deepEqual(this.log.append(Buffer.from(producer.last)), { error: ErrorCode.NONE, offset: producer.lastOffset });
    assert.equal(this.log.endOffset, end);
  }

  end(producerId: number, committed: boolean): void {
    const producer = this.#producers.get(producerId);
    const before = this.log.endOffset;
    this.log.endTransaction({ producerId, producerEpoch: 0, committed }, this.now);
    assert.equal(this.log.endOffset - before, producer?.open ? 1 : 0);
    for (const record of this.#written.values())
      if (record.producerId === producerId && record.state === 'open') record.state = committed ? 'committed' : 'aborted';
    if (producer) producer.open = false;
  }

  async compact(): Promise<boolean> {
    const done = await this.log.compact(this.now, new AbortController().signal);
    const { cleanedTo } = this;
    if (done)
      for (const { offset } of this.#written.values())
        if (offset < cleanedTo && !this.#cleanedAt.has(offset)) this.#cleanedAt.set(offset, this.now);
    return done;
  }

  async reopen(cleanly: boolean): Promise<void> {
    if (cleanly) await this.log.close();
    else this.log.abandon();
    this.log = this.#open(cleanly);
  }

  /** Compares what readers find with what was written. */
  check(maxBytes: number): void {
    const { log } = this;
    const all = readWhole(log, log.startOffset, maxBytes);
    const records = all.flatMap((batch) => (batch.marker ? [] : batch.records));
    const open = [...this.#written.values()].filter(({ state }) => state === 'open').map(({ offset }) => offset);
    assert.equal(log.lastStableOffset, Math.min(...open, log.endOffset), 'the last stable offset');
    for (const { offset, key, value, timestamp } of records) {
      const { offset: at, ...written } = this.#written.get(offset) as Written;
      assert.deepEqual({ key, value, timestamp }, { key: written.key, value: written.value, timestamp: written.timestamp }, `record ${at}`);
    }
    const offsets = records.map(({ offset }) => offset);
    assert.deepEqual(
      offsets,
      [...new Set(offsets)].sort((a, b) => a - b),
      'in order and once',
    );
    this.#checkCommitted(maxBytes);
    this.#checkCleaned(records);
    this.#checkAnyStart(all);
  }

  #checkCommitted(maxBytes: number): void {
    const { log } = this;
    const seen = readCommitted(log, log.startOffset, maxBytes);
    for (const { offset } of seen) {
      assert.equal(this.#written.get(offset)?.state, 'committed', `record ${offset} is handed on`);
      assert.ok(offset < log.lastStableOffset);
    }
    const latestSeen = new Map(seen.map((record) => [record.key, record]));
    for (const [key, last] of this.#latest()) {
      const found = latestSeen.get(key);
      if (last.value !== null) assert.equal(found?.offset, last.offset, `the latest of ${key}`);
      else if (found) assert.equal(found.offset, last.offset, `what was deleted of ${key} does not come back`);
      const cleanedAt = this.#cleanedAt.get(last.offset);
      if (last.value === null && (cleanedAt === undefined || this.now < cleanedAt + this.deleteRetentionMs))
        assert.equal(found?.offset, last.offset, `the tombstone of ${key} stays for readers`);
    }
    for (const record of this.#written.values()) {
      if (record.state !== 'committed' || record.offset >= log.lastStableOffset || record.offset < this.cleanedTo) continue;
      assert.ok(
        seen.some(({ offset }) => offset === record.offset),
        `record ${record.offset} is not compacted yet`,
      );
    }
  }

  #checkCleaned(records: readonly SeenRecord[]): void {
    const cleaned = records.filter(({ offset }) => offset < this.cleanedTo);
    const keys = cleaned.map(({ key }) => key);
    assert.equal(new Set(keys).size, keys.length, 'one record of each key where it is clean');
    for (const { offset } of cleaned) assert.equal(this.#written.get(offset)?.state, 'committed', `aborted record ${offset} is gone`);
  }

  /** From any offset, also one inside a gap, a reader comes to the next batch there is. */
  #checkAnyStart(all: readonly SeenBatch[]): void {
    const { log } = this;
    for (let offset = log.startOffset; offset < log.endOffset; offset++) {
      const bytes = log.read(offset, 1);
      const expected = all.find((batch) => batch.lastOffset >= offset);
      assert.deepEqual(bytes && readBatches(bytes)[0], expected);
      assert.ok(expected, 'a reader reaches the end');
    }
  }

  #latest(): ReadonlyMap<string | null, Written> {
    const latest = new Map<string | null, Written>();
    for (const record of this.#written.values())
      if (record.state === 'committed' && record.offset < this.log.lastStableOffset) latest.set(record.key, record);
    return latest;
  }

  #open(cleanShutdown: boolean): PartitionLog {
    return new PartitionLog(this.folder, { limits: () => this.limits, cleanShutdown, keysAtOnce: this.#keysAtOnce });
  }
}

/** Some are longer than what compaction remembers as it is. */
function keyName(key: number): string {
  return key % 3 === 0 ? `key ${key} ${'.'.repeat(40)}` : `key ${key}`;
}
