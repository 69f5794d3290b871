import type { AddFile, MetaData, PartitionValues } from '../log/actions.ts';
import { recordCount } from '../read/file-pruning.ts';
import type { OptimizePlan } from '../table-contract.ts';

const MEGABYTE = 1024 * 1024;
const TARGET_BYTES = 64 * MEGABYTE;
const SMALL_BYTES = 8 * MEGABYTE;
const DELETED_SHARE = 0.2;
/** DuckDB holds the footers of all files of a statement in memory. More small files than this take a second pass. */
const FILES_IN_BIN = 256;

/** Which files of a table are written anew. */
export interface CompactionRule {
  /** Files are put together up to this size. Default: `delta.targetFileSize` of the table, else 64 MB. */
  readonly targetBytes?: number;
  /** A file below this is small. Default 8 MB, and half of the target at the most. */
  readonly smallBytes?: number;
  /** A file is also written anew when its deletion vector takes out more than this share of its rows. Default 0.2. */
  readonly deletedShare?: number;
}

/** Files of one partition that become one file. */
export interface CompactionBin {
  readonly partitionValues: PartitionValues;
  readonly files: readonly AddFile[];
  /** Of the files as they are. */
  readonly bytes: number;
  /** Files in it that are not small. */
  readonly largeFiles: number;
}

/**
 * Puts small files and those with many deleted rows into bins, by partition and in the order in which they were written.
 * A bin of one file is planned for its deletion vector alone.
 */
export function planCompaction(files: Iterable<AddFile>, metaData: MetaData, rule: CompactionRule = {}): readonly CompactionBin[] {
  const targetBytes = rule.targetBytes ?? sizeBytes(metaData.configuration?.['delta.targetFileSize']) ?? TARGET_BYTES;
  const smallBytes = Math.min(rule.smallBytes ?? SMALL_BYTES, targetBytes / 2);
  const limit = rule.deletedShare ?? DELETED_SHARE;
  const candidates = [...files].filter((file) => file.size < smallBytes || deletedShare(file) > limit).sort(byTime);
  const bins: CompactionBin[] = [];
  for (const partition of Map.groupBy(candidates, (file) => partitionKey(file, metaData.partitionColumns)).values()) {
    for (const bin of binsOf(partition, targetBytes)) {
      const [first] = bin;
      if (first === undefined || (bin.length === 1 && deletedShare(first) <= limit)) continue;
      bins.push({
        partitionValues: first.partitionValues,
        files: bin,
        bytes: bin.reduce((sum, { size }) => sum + size, 0),
        largeFiles: bin.filter(({ size }) => size >= smallBytes).length,
      });
    }
  }
  return bins;
}

export function summaryOfPlan(bins: readonly CompactionBin[]): OptimizePlan {
  return {
    files: bins.reduce((sum, { files }) => sum + files.length, 0),
    bytes: bins.reduce((sum, { bytes }) => sum + bytes, 0),
    purgedFiles: bins.reduce((sum, { largeFiles }) => sum + largeFiles, 0),
    newFiles: bins.length,
  };
}

/** The share of a file's rows that its deletion vector takes out; where the log does not say how many it has, all of them. */
function deletedShare(file: AddFile): number {
  if (file.deletionVector === undefined) return 0;
  const rows = recordCount(file);
  return rows === null || rows === 0 ? 1 : file.deletionVector.cardinality / rows;
}

function binsOf(files: readonly AddFile[], targetBytes: number): readonly (readonly AddFile[])[] {
  const bins: AddFile[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files) {
    const kept = file.size * (1 - deletedShare(file));
    if (bytes + kept > targetBytes || (bins.at(-1)?.length ?? 0) >= FILES_IN_BIN) {
      bins.push([]);
      bytes = 0;
    }
    bins.at(-1)?.push(file);
    bytes += kept;
  }
  return bins;
}

function byTime(a: AddFile, b: AddFile): number {
  return a.modificationTime - b.modificationTime || (a.path < b.path ? -1 : 1);
}

/** Null and the empty text are one partition (PROTOCOL.md "Partition Value Serialization"). */
function partitionKey(file: AddFile, columns: readonly string[]): string {
  return JSON.stringify(columns.map((column) => file.partitionValues[column] || null));
}

const SIZE_UNITS: Readonly<Record<string, number>> = { '': 1, k: 1024, m: MEGABYTE, g: 1024 * MEGABYTE };

/** `100mb` or `104857600`; null where there is none, or none that we can read. */
function sizeBytes(text: string | undefined): number | null {
  const match = /^\s*(\d+)\s*([kmg]?)b?\s*$/i.exec(text ?? '');
  const unit = SIZE_UNITS[match?.[2]?.toLowerCase() ?? ''];
  const bytes = match === null || unit === undefined ? 0 : Number(match[1]) * unit;
  return bytes > 0 ? bytes : null;
}
