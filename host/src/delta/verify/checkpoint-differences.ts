import { isDeepStrictEqual } from 'node:util';
import type { AddFile, MetaData, PartitionValues, Protocol, RemoveFile } from '../log/actions.ts';
import type { Snapshot } from '../log/snapshot.ts';
import { retentionOf } from '../maintenance/retention.ts';
import { recordCount } from '../read/file-pruning.ts';
import { parseStatistics } from './logged-statistics.ts';

export interface Difference {
  readonly is: string;
  readonly should: string;
}

/** So many are told one by one. */
const TOLD = 10;

interface Replay {
  readonly snapshot: Snapshot;
  /** Whether it began at the first version: what a checkpoint at its beginning forgot, it does not know. */
  readonly isComplete: boolean;
}

/** Where a checkpoint is not what the commits up to its version make. `written`: epoch milliseconds when it was there at the latest. */
export function checkpointDifferences({ snapshot: replayed, isComplete }: Replay, held: Snapshot, written: number): readonly Difference[] {
  const differences = [
    ...valueDifferences('protocol', protocolValue(held.protocol), protocolValue(replayed.protocol)),
    ...valueDifferences('metadata', metaDataValue(held.metaData), metaDataValue(replayed.metaData)),
    ...mapDifferences(
      'txn',
      mapped(held.txns, (txn) => String(txn.version)),
      mapped(replayed.txns, (txn) => String(txn.version)),
    ),
    ...mapDifferences(
      'domain',
      mapped(held.domains, (domain) => domain.configuration),
      mapped(replayed.domains, (domain) => domain.configuration),
    ),
    ...mapDifferences('file', mapped(held.files, fileValue), mapped(replayed.files, fileValue)),
    ...statisticsDifferences(held.files, replayed.files),
    ...removalDifferences({ snapshot: replayed, isComplete }, held, written),
  ];
  if (differences.length <= TOLD) return differences;
  return [...differences.slice(0, TOLD), { is: `${differences.length - TOLD} differences more`, should: 'none' }];
}

function protocolValue(protocol: Protocol | null): unknown {
  const { minReaderVersion, minWriterVersion, readerFeatures = [], writerFeatures = [] } = protocol ?? {};
  return { minReaderVersion, minWriterVersion, readerFeatures: readerFeatures.toSorted(), writerFeatures: writerFeatures.toSorted() };
}

function metaDataValue(metaData: MetaData | null): unknown {
  const { id, schemaString, partitionColumns, configuration, format } = metaData ?? {};
  return { id, schemaString, partitionColumns, configuration: { ...configuration }, provider: format?.provider };
}

function fileValue({ size, modificationTime, partitionValues, deletionVector, baseRowId }: AddFile): unknown {
  return { size, modificationTime, partitionValues: partitionValue(partitionValues), deletionVector, baseRowId };
}

/** The empty text means null. */
function partitionValue(values: PartitionValues): unknown {
  return Object.fromEntries(Object.entries(values).map(([name, value]) => [name, value === '' ? null : value]));
}

function removalValue({ deletionTimestamp }: RemoveFile): unknown {
  return { deletionTimestamp: deletionTimestamp ?? null };
}

function mapped<Value>(values: ReadonlyMap<string, Value>, value: (one: Value) => unknown): ReadonlyMap<string, unknown> {
  return new Map([...values].map(([key, one]) => [key, value(one)]));
}

function* valueDifferences(what: string, held: unknown, replayed: unknown): Generator<Difference> {
  // Absent and undefined are the same here, and the order of names is none.
  const [is, should] = [plain(held), plain(replayed)];
  if (!isDeepStrictEqual(is, should)) yield { is: `${what} ${JSON.stringify(is)}`, should: JSON.stringify(should) };
}

function plain(value: unknown): unknown {
  return value === undefined ? null : JSON.parse(JSON.stringify(value));
}

function* mapDifferences(what: string, held: ReadonlyMap<string, unknown>, replayed: ReadonlyMap<string, unknown>): Generator<Difference> {
  for (const [key, should] of replayed) {
    if (!held.has(key)) yield { is: `no ${what} ${shown(key)}`, should: 'there' };
    else yield* valueDifferences(`${what} ${shown(key)}`, held.get(key), should);
  }
  for (const key of held.keys()) if (!replayed.has(key)) yield { is: `${what} ${shown(key)}`, should: 'not there' };
}

function* statisticsDifferences(held: ReadonlyMap<string, AddFile>, replayed: ReadonlyMap<string, AddFile>): Generator<Difference> {
  for (const [key, file] of held) {
    const { stats } = replayed.get(key) ?? file;
    if (file.stats !== undefined && !sameStatistics(file, stats))
      yield { is: `statistics of ${shown(key)} ${file.stats}`, should: stats ?? 'none' };
  }
}

/** A checkpoint may hold only the number of records. */
function sameStatistics(file: AddFile, logged: string | undefined): boolean {
  if (file.stats === logged) return true;
  if (file.stats === undefined || logged === undefined) return false;
  const [is, should] = [parseStatistics(file.stats), parseStatistics(logged)];
  if (isDeepStrictEqual(is, should)) return true;
  return Object.keys(is ?? {}).join() === 'numRecords' && String(recordCount(file)) === should?.numRecords;
}

/** A removal is forgotten once it is older than the table keeps files. */
function* removalDifferences({ snapshot, isComplete }: Replay, held: Snapshot, written: number): Generator<Difference> {
  const expired = written - retentionOf(snapshot.metaData, 'delta.deletedFileRetentionDuration');
  const kept = [...snapshot.tombstones].filter(([key, removal]) => held.tombstones.has(key) || (removal.deletionTimestamp ?? 0) > expired);
  const known = isComplete ? held.tombstones : new Map([...held.tombstones].filter(([key]) => snapshot.tombstones.has(key)));
  yield* mapDifferences('removal of', mapped(known, removalValue), mapped(new Map(kept), removalValue));
}

function shown(key: string): string {
  return key.replace('\0', ' with vector ');
}
