import { stat } from 'node:fs/promises';
import { setImmediate } from 'node:timers/promises';
import type { TableFolder } from '../data-files.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import { retentionOf } from '../maintenance/retention.ts';
import { literal } from '../schema/column-type.ts';
import { type Action, actionText, versionName } from './actions.ts';
import { logFolder } from './log.ts';
import type { Snapshot } from './snapshot.ts';

const DEFAULT_INTERVAL = 20;
/** A checkpoint costs some 40 µs a file: with many files it is written less often. */
const FILES_FOR_EACH_VERSION = 50;
/** Actions put into text before the event loop has its turn again. */
const SLICE = 200;

const MAP = 'MAP(VARCHAR, VARCHAR)';
const VECTOR = 'STRUCT(storageType VARCHAR, pathOrInlineDv VARCHAR, "offset" INTEGER, sizeInBytes INTEGER, cardinality BIGINT)';
const COLUMNS = {
  txn: 'STRUCT(appId VARCHAR, version BIGINT, lastUpdated BIGINT)',
  add: `STRUCT(path VARCHAR, partitionValues ${MAP}, size BIGINT, modificationTime BIGINT, dataChange BOOLEAN, tags ${MAP}, deletionVector ${VECTOR}, stats VARCHAR)`,
  remove: `STRUCT(path VARCHAR, deletionTimestamp BIGINT, dataChange BOOLEAN, extendedFileMetadata BOOLEAN, partitionValues ${MAP}, size BIGINT, deletionVector ${VECTOR})`,
  metaData: `STRUCT(id VARCHAR, name VARCHAR, description VARCHAR, format STRUCT(provider VARCHAR, options ${MAP}), schemaString VARCHAR, partitionColumns VARCHAR[], configuration ${MAP}, createdTime BIGINT)`,
  domainMetadata: 'STRUCT(domain VARCHAR, configuration VARCHAR, removed BOOLEAN)',
} as const;

/** Whether the writer of this version writes a checkpoint of it. */
export function isCheckpointDue(snapshot: Snapshot): boolean {
  return snapshot.version > 0 && snapshot.version % checkpointInterval(snapshot) === 0;
}

/** Versions from one checkpoint to the next: `delta.checkpointInterval`, else 20, and more for tables of many files. */
export function checkpointInterval(snapshot: Snapshot): number {
  const configured = Number(snapshot.metaData?.configuration?.['delta.checkpointInterval'] ?? Number.NaN);
  if (Number.isSafeInteger(configured) && configured > 0) return configured;
  let interval = DEFAULT_INTERVAL;
  while (interval * FILES_FOR_EACH_VERSION < snapshot.files.size) interval *= 2;
  return interval;
}

export interface WrittenCheckpoint {
  readonly version: number;
  readonly actions: number;
  readonly bytes: number;
}

/**
 * Writes a classic checkpoint of the snapshot's present version, then the hint to it: a hint to a checkpoint that is not
 * there stops delta-rs, polars and DuckDB. The state is taken before the first await, so the snapshot may go on.
 */
export async function writeCheckpoint(engine: DeltaEngine, table: TableFolder, snapshot: Snapshot): Promise<WrittenCheckpoint> {
  const { version } = snapshot;
  const actions = checkpointActions(snapshot, Date.now());
  const files = snapshot.files.size;
  const hasFeatures = (snapshot.protocol?.minWriterVersion ?? 0) >= 7;
  const path = `${logFolder(table)}/${versionName(version)}.checkpoint.parquet`;
  const ndjson = await actionLines(actions);
  const bytes = await engine.scratch.withFile(ndjson, (source) =>
    engine.scratch.withDiskFile(async (target) => {
      await engine.withConnection((connection) => connection.run(copyStatement(source, target, ndjson.byteLength, hasFeatures)));
      await table.store.put(path, { file: target }, { folder: 'existing' });
      return (await stat(target)).size;
    }),
  );
  const hint = { version, size: actions.length, sizeInBytes: bytes, numOfAddFiles: files };
  await table.store.put(`${logFolder(table)}/_last_checkpoint`, Buffer.from(JSON.stringify(hint)), { folder: 'existing' });
  return { version, actions: actions.length, bytes };
}

function checkpointActions(snapshot: Snapshot, now: number): readonly Action[] {
  const { protocol, metaData } = snapshot;
  if (protocol === null || metaData === null) throw new Error('a checkpoint needs a loaded snapshot');
  snapshot.forgetRemoved(now - retentionOf(metaData, 'delta.deletedFileRetentionDuration'));
  const actions: Action[] = [{ protocol }, { metaData }];
  for (const txn of snapshot.txns.values()) actions.push({ txn });
  for (const domainMetadata of snapshot.domains.values()) actions.push({ domainMetadata });
  for (const add of snapshot.files.values()) actions.push({ add: { ...add, dataChange: false } });
  for (const { path, deletionTimestamp, extendedFileMetadata, partitionValues, size, deletionVector } of snapshot.tombstones.values()) {
    const optional = {
      ...(deletionTimestamp !== undefined && { deletionTimestamp }),
      ...(extendedFileMetadata !== undefined && { extendedFileMetadata }),
      ...(partitionValues !== undefined && { partitionValues }),
      ...(size !== undefined && { size }),
      ...(deletionVector !== undefined && { deletionVector }),
    };
    actions.push({ remove: { path, dataChange: false, ...optional } });
  }
  return actions;
}

async function actionLines(actions: readonly Action[]): Promise<Buffer> {
  const slices: Buffer[] = [];
  for (let at = 0; at < actions.length; at += SLICE) {
    slices.push(
      Buffer.from(
        actions
          .slice(at, at + SLICE)
          .map((action) => `${actionText(action)}\n`)
          .join(''),
      ),
    );
    await setImmediate();
  }
  return Buffer.concat(slices);
}

function copyStatement(source: string, target: string, bytes: number, hasFeatures: boolean): string {
  const protocol = `STRUCT(minReaderVersion INTEGER, minWriterVersion INTEGER${hasFeatures ? ', readerFeatures VARCHAR[], writerFeatures VARCHAR[]' : ''})`;
  const columns = Object.entries({ ...COLUMNS, protocol })
    .map(([name, type]) => `${name}: ${literal(type)}`)
    .join(', ');
  const maximum = Math.max(1024 * 1024, Math.min(bytes + 1, 256 * 1024 * 1024));
  return `COPY (SELECT * FROM read_json(${literal(source)}, format = 'newline_delimited', records = 'true', maximum_object_size = ${maximum}, columns = {${columns}})) TO ${literal(target)} (FORMAT parquet, COMPRESSION zstd)`;
}
