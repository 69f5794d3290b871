import { discardDataFiles, writeDataFiles } from '../data-files.ts';
import { CommitConflictError, deltaError, isKnownLost } from '../delta-errors.ts';
import { type Action, type AddFile, fileKey, removalOf } from '../log/actions.ts';
import { recordCount } from '../read/file-pruning.ts';
import { withScan } from '../read/scan.ts';
import type { WrittenFiles } from '../rows/parquet-copy.ts';
import { identifier } from '../schema/column-type.ts';
import type { TableShape, TableState } from '../table-state.ts';
import { type CompactionBin, type CompactionRule, planCompaction } from './compaction-plan.ts';

/** What one commit rewrites at the most, unless one bin is more: what is lost when a merge of the same files comes first. */
const COMMIT_BYTES = 256 * 1024 * 1024;
/** And how many files it takes out: the commit is one text, made in one go. */
const COMMIT_FILES = 1000;
/** Commits lost one after the other until it gives up. Each loss halves what the next one rewrites, so that it is faster. */
const MOST_LOST = 12;

export interface OptimizeOptions extends CompactionRule {
  /** Ends it between two files, with the signal's reason; what was committed stays. */
  readonly signal?: AbortSignal;
}

/** What was done, in all commits. */
export interface Optimized {
  readonly version: number;
  readonly commits: number;
  readonly filesRemoved: number;
  readonly filesAdded: number;
  readonly bytesRemoved: number;
  readonly bytesAdded: number;
  /** Deletion vectors that are no more, since their rows are not in the new files. */
  readonly vectorsPurged: number;
}

/** Runs `work` when no other operation of this process changes the table. */
export type Exclusive = <T>(work: () => Promise<T>) => Promise<T>;

/**
 * Bin-packing: the rows of small files, and of files with many deleted rows, in fewer files. No row changes, so appends
 * go on beside it; a merge that meets one of its files makes it compute again. Files that come meanwhile are left to the
 * next run. New files are written while others write; only the commits take their turn.
 */
export async function optimizeTable(state: TableState, exclusive: Exclusive, options: OptimizeOptions): Promise<Optimized> {
  await exclusive(() => state.advance());
  const scope = new Set([...state.snapshot.files.values()].map(({ path }) => path));
  let done: Optimized = { ...NOTHING, version: state.snapshot.version };
  let commitBytes = COMMIT_BYTES;
  for (let lost = 0; ; ) {
    const shape = state.check('write');
    const ours = [...state.snapshot.files.values()].filter(({ path }) => scope.has(path));
    const bins = firstOf(planCompaction(ours, shape.metaData, options), commitBytes);
    if (bins.length === 0) return done;
    try {
      const commit = await compactBins(state, exclusive, shape, bins, options.signal);
      // A file that was alone with its vector is done; others may go into a second bin.
      for (const [at, { adds }] of commit.written.entries())
        if ((bins[at]?.files.length ?? 0) > 1) for (const { path } of adds) scope.add(path);
      done = added(done, commit.version, bins, commit.written);
      lost = 0;
    } catch (error) {
      lost += 1;
      if (!(error instanceof CommitConflictError) || lost > MOST_LOST) throw error;
      commitBytes /= 2;
      await exclusive(() => state.advance());
    }
  }
}

const NOTHING = { commits: 0, filesRemoved: 0, filesAdded: 0, bytesRemoved: 0, bytesAdded: 0, vectorsPurged: 0 };

function added(done: Optimized, version: number, bins: readonly CompactionBin[], written: readonly WrittenFiles[]): Optimized {
  const files = bins.flatMap((bin) => bin.files);
  return {
    version,
    commits: done.commits + 1,
    filesRemoved: done.filesRemoved + files.length,
    filesAdded: done.filesAdded + written.reduce((sum, { adds }) => sum + adds.length, 0),
    bytesRemoved: done.bytesRemoved + bins.reduce((sum, { bytes }) => sum + bytes, 0),
    bytesAdded: done.bytesAdded + written.reduce((sum, { bytes }) => sum + bytes, 0),
    vectorsPurged: done.vectorsPurged + files.filter(({ deletionVector }) => deletionVector !== undefined).length,
  };
}

function firstOf(bins: readonly CompactionBin[], mostBytes: number): readonly CompactionBin[] {
  let bytes = 0;
  let files = 0;
  return bins.filter((bin, at) => {
    bytes += bin.bytes;
    files += bin.files.length;
    return at === 0 || (bytes <= mostBytes && files <= COMMIT_FILES);
  });
}

/** Rewrites the bins and commits them together. Throws {@link CommitConflictError} where one of their files changed meanwhile. */
async function compactBins(
  state: TableState,
  exclusive: Exclusive,
  shape: TableShape,
  bins: readonly CompactionBin[],
  signal: AbortSignal | undefined,
): Promise<{ readonly version: number; readonly written: readonly WrittenFiles[] }> {
  const written: WrittenFiles[] = [];
  const newFiles = (): readonly AddFile[] => written.flatMap(({ adds }) => adds);
  let committing = false;
  try {
    await state.checkPresent(); // before DuckDB makes folders
    for (const bin of bins) {
      signal?.throwIfAborted();
      written.push(await rewriteBin(state, shape, bin));
    }
    const { version } = await exclusive(async () => {
      refuseChanged(state, shape, bins);
      committing = true;
      return await state.commit({
        actions: replacementOf(bins, newFiles()),
        operation: 'OPTIMIZE',
        operationParameters: { predicate: '[]', zOrderBy: '[]', auto: 'false' },
        operationMetrics: metricsOf(bins, written),
        reads: 'removed',
      });
    });
    return { version, written };
  } catch (error) {
    if (!committing || isKnownLost(error)) await discardDataFiles(state.folder, newFiles());
    throw error;
  }
}

async function rewriteBin(
  { engine, folder }: TableState,
  { fields, partitionBy, statisticsColumns }: TableShape,
  bin: CompactionBin,
): Promise<WrittenFiles> {
  const partition = new Map(partitionBy.map((name) => [name, bin.partitionValues[name] || null]));
  const select = fields.map(({ name }) => identifier(name)).join(', ');
  const written = await engine.withConnection((connection) =>
    withScan(engine, folder, bin.files, fields, partitionBy, (relation) =>
      writeDataFiles(engine, connection, folder, {
        fields,
        partitionBy,
        statisticsColumns,
        select: `SELECT ${select} FROM ${relation}`,
        partition: partitionBy.length === 0 ? null : partition,
      }),
    ),
  );
  const expected = liveRows(bin.files);
  if (expected !== null && written.rows !== expected) {
    await discardDataFiles(folder, written.adds);
    throw deltaError(
      'PH_DELTA_FILE_ROWS',
      folder.path,
      `${bin.files.length} files of table ${folder.path}, the first ${bin.files[0]?.path}, hold ${written.rows} rows and the log says ${expected}`,
    );
  }
  // The values as they stood in the log, also in another writer's spelling.
  return { ...written, adds: written.adds.map((add) => ({ ...add, partitionValues: bin.partitionValues, dataChange: false })) };
}

/** The rows of the files by the log; null where it does not say. */
function liveRows(files: readonly AddFile[]): number | null {
  let rows = 0;
  for (const file of files) {
    const count = recordCount(file);
    if (count === null) return null;
    rows += count - (file.deletionVector?.cardinality ?? 0);
  }
  return rows;
}

/** Another operation of this process, or what was read meanwhile, may have changed what we rewrote. */
function refuseChanged(state: TableState, shape: TableShape, bins: readonly CompactionBin[]): void {
  const { folder, snapshot } = state;
  if (state.check('write') !== shape) throw new CommitConflictError(folder.path, 'MetadataChanged', snapshot.version);
  const isThere = (file: AddFile): boolean => snapshot.files.has(fileKey(file));
  if (!bins.every(({ files }) => files.every(isThere)))
    throw new CommitConflictError(folder.path, 'ConcurrentDeleteDelete', snapshot.version);
}

function replacementOf(bins: readonly CompactionBin[], adds: readonly AddFile[]): readonly Action[] {
  const now = Date.now();
  const removals = bins.flatMap(({ files }) => files.map((file) => ({ remove: removalOf(file, now, false) })));
  return [...removals, ...adds.map((add) => ({ add }))];
}

function metricsOf(bins: readonly CompactionBin[], written: readonly WrittenFiles[]): Readonly<Record<string, string>> {
  const { filesRemoved, filesAdded, bytesRemoved, bytesAdded, vectorsPurged } = added({ ...NOTHING, version: 0 }, 0, bins, written);
  return {
    numRemovedFiles: String(filesRemoved),
    numAddedFiles: String(filesAdded),
    numRemovedBytes: String(bytesRemoved),
    numAddedBytes: String(bytesAdded),
    numDeletionVectorsRemoved: String(vectorsPurged),
  };
}
