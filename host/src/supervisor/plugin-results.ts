import { createHash } from 'node:crypto';
import type { DeadLetterView, SimulationResults } from '@pipeline-host/sdk';
import type { KafkaCluster, KafkaRecord } from '../kafka/driver.ts';
import type { ResolvedTable, ResolvedWorker } from '../plugins/topology.ts';
import { HEADER, headerText } from '../retry/headers.ts';
import type { ObjectStore } from '../storage/index.ts';

/** Rows of a table: the chosen columns of all of them. */
export type ReadRows = (table: ResolvedTable, columns: readonly string[]) => Promise<readonly Readonly<Record<string, unknown>>[]>;

export interface ResultSources {
  readonly plugin: string;
  /** The plugin's workers. */
  readonly workers: readonly ResolvedWorker[];
  readonly cluster: (name: string) => Promise<KafkaCluster>;
  readonly readRows: ReadRows;
  /** The store of files; the plugin's part is the folder of its name. */
  readonly files: ObjectStore;
}

export type StoredFile = Awaited<ReturnType<SimulationResults['files']>>[number];

/** What the workers left behind, read back from where it is stored. Dead letters and files are read once. */
export function simulationResults(sources: ResultSources): SimulationResults {
  let deadLetters: Promise<readonly DeadLetterView[]> | undefined;
  let files: Promise<readonly StoredFile[]> | undefined;
  return {
    async rows(name, columns) {
      const table = tablesOf(sources.workers).find(({ definition }) => definition.name === name);
      if (table === undefined) throw new Error(`plugin ${sources.plugin} writes no table "${name}"`);
      return sources.readRows(table, columns);
    },
    deadLetters() {
      deadLetters ??= readDeadLetters(sources);
      return deadLetters;
    },
    files() {
      files ??= readFiles(sources);
      return files;
    },
  };
}

/** The tables that the workers write, each once. */
export function tablesOf(workers: readonly ResolvedWorker[]): readonly ResolvedTable[] {
  return [...new Map(workers.flatMap(({ tables }) => tables).map((table) => [table.name, table])).values()];
}

/** A plugin's dead letters, each once. */
export async function readDeadLetters({
  plugin,
  workers,
  cluster,
}: Pick<ResultSources, 'plugin' | 'workers' | 'cluster'>): Promise<readonly DeadLetterView[]> {
  const places = new Map(workers.map((worker) => [`${worker.cluster}/${worker.deadLetterTopic}`, worker]));
  const records = await Promise.all(
    [...places.values()].map(async (worker) => (await cluster(worker.cluster)).read({ topic: worker.deadLetterTopic })),
  );
  const own = records.flat().filter(({ headers }) => (headerText(headers, HEADER.plugin) ?? plugin) === plugin);
  // A crash between a dead letter and its commit repeats the letter: it is still one record that a worker gave up.
  const distinct = new Map(own.map((letter) => [identityOf(letter), letter]));
  return [...distinct.values()].map(({ headers, value }) => ({
    worker: headerText(headers, HEADER.worker) ?? '',
    code: headerText(headers, HEADER.errorCode) ?? '',
    reason: headerText(headers, HEADER.errorMessage) ?? '',
    value,
  }));
}

/** Who gave up which record. */
function identityOf({ headers }: KafkaRecord): string {
  const names = [HEADER.worker, HEADER.originCluster, HEADER.originTopic, HEADER.originPartition, HEADER.originOffset];
  return names.map((name) => headerText(headers, name) ?? '').join('/');
}

/** What a plugin has stored, read back from the store. */
export async function readFiles({ plugin, files }: Pick<ResultSources, 'plugin' | 'files'>): Promise<readonly StoredFile[]> {
  const found: StoredFile[] = [];
  for (const { path, bytes } of await files.list(plugin)) {
    const hash = createHash('sha256');
    for await (const chunk of await files.read(path)) hash.update(chunk as Buffer);
    found.push({ path: path.slice(plugin.length + 1), bytes, sha256: hash.digest('hex') });
  }
  return found;
}
