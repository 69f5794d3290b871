import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type DeltaColumn,
  type DeltaEngine,
  DeltaTable,
  openDeltaEngine,
  type RowBlock,
  type TableSpec,
} from '../../../host/src/delta/index.ts';
import { type ObjectStore, openLocalStore } from '../../../host/src/storage/index.ts';

/** A folder with a store and an engine, for one test file. */
export interface Lake {
  readonly folder: string;
  readonly store: ObjectStore;
  readonly engine: DeltaEngine;
  /** A table of its own for one test. */
  create(name: string, columns: readonly DeltaColumn[], options?: Partial<TableSpec>): Promise<DeltaTable>;
  open(name: string): Promise<DeltaTable>;
  /** The text of a file below a table. */
  text(path: string): Promise<string>;
  write(path: string, text: string): Promise<void>;
  close(): Promise<void>;
}

/** `defaults`: of the tables that it creates. */
export async function openLake(defaults: Partial<TableSpec> = {}): Promise<Lake> {
  const folder = await mkdtemp(join(tmpdir(), 'ph-lake-'));
  const store = openLocalStore(join(folder, 'tables'));
  const engine = await openDeltaEngine({ tempDirectory: join(folder, 'temp') });
  return {
    folder,
    store,
    engine,
    create: (name, columns, options) =>
      DeltaTable.open(engine, store, name, { create: { name, columns, partitionBy: [], ...defaults, ...options } }),
    open: (name) => DeltaTable.open(engine, store, name),
    text: (path) => readFile(join(folder, 'tables', path), 'utf8'),
    write: (path, text) => writeFile(join(folder, 'tables', path), text),
    close: async () => {
      await engine.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}

export function block(rows: readonly object[]): RowBlock {
  return { ndjson: Buffer.from(rows.map((row) => `${JSON.stringify(row)}\n`).join('')), rows: rows.length };
}

export function column(name: string, type: DeltaColumn['type'] = 'string', nullable = true): DeltaColumn {
  return { name, type, nullable };
}

/** Rows by a column, so that sets compare. */
export function sortedBy<Row extends Readonly<Record<string, unknown>>>(rows: readonly Row[], key: string): readonly Row[] {
  return rows.toSorted((a, b) => (String(a[key]) < String(b[key]) ? -1 : 1));
}

export const coded = (code: string) => (error: unknown) =>
  typeof error === 'object' && error !== null && 'code' in error && error.code === code;

/** The store as a plain object, so that a test can replace one method. */
export function boundStore(store: ObjectStore): ObjectStore {
  return {
    uri: store.uri,
    get: (path) => store.get(path),
    getRange: (path, offset, length) => store.getRange(path, offset, length),
    read: (path) => store.read(path),
    stat: (path) => store.stat(path),
    put: (path, body, options) => store.put(path, body, options),
    putIfAbsent: (path, body, options) => store.putIfAbsent(path, body, options),
    list: (folder) => store.list(folder),
    names: (folder) => store.names(folder),
    delete: (path) => store.delete(path),
    ...(store.local !== undefined && { local: store.local }),
  };
}
