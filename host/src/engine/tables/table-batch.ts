import type { KafkaRecord } from '../../kafka/driver.ts';
import { HEADER, headerText } from '../../retry/headers.ts';
import type { PartitionState } from '../intake/partition-state.ts';
import { BatchLines } from './line-memory.ts';
import type { LineOwner, TableLines, WritableTable } from './row-maker.ts';
import type { StagedRows } from './staged-rows.ts';

/** A record with its rows as lines, by table. */
export interface Entry {
  readonly state: PartitionState;
  readonly record: KafkaRecord;
  readonly lines: TableLines;
  /** Names of the tables that took its rows before it became the dead letter that is replayed here. */
  readonly written: readonly string[];
}

/** Records whose rows are written together. */
export class Batch implements LineOwner {
  readonly entries: Entry[] = [];
  readonly writtenAt = new Date().toISOString();
  readonly memory = new BatchLines();
  /** Dead letters of records between the entries. They are stored before the offsets around them are. */
  readonly burials: Promise<void>[] = [];
  /** Its rows as data files already, where it has one table that they are appended to. */
  staged: Promise<StagedRows<Entry> | null> = Promise.resolve(null);
  /** Aborted when its assignment ends: what is not written by then is left to the next owner. */
  readonly ended: AbortSignal;
  rows = 0;
  /** Of its rows as lines. */
  bytes = 0;
  /** Of its records as they came. */
  recordBytes = 0;

  constructor(ended: AbortSignal) {
    this.ended = ended;
  }
}

/** The rows of the entries for one table. */
export function linesFor(table: WritableTable, entries: readonly Entry[]): readonly Buffer[] {
  const all: Buffer[] = [];
  for (const { lines } of entries) for (const line of lines.get(table) ?? []) all.push(line);
  return all;
}

/** What a dead letter says of the tables that hold its rows. Only a record of the retry topic is believed. */
export function writtenBefore({ lane }: PartitionState, { headers }: KafkaRecord): readonly string[] {
  const tables = lane === null ? undefined : headerText(headers, HEADER.written);
  return tables === undefined || tables === '' ? [] : tables.split(',');
}
