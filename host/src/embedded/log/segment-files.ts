import { readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { syncFolder } from '../storage/atomic-file.ts';
import { Segment, segmentFileName } from './segment.ts';

const SEGMENT = /^\d{20}\.log$/;
const CLEANED = '.cleaned';
const SWAP = '.swap';

/** Where compaction writes what is to stand in for the segment that begins at `baseOffset` and for some after it. */
export function cleanedFile(folder: string, baseOffset: number): string {
  return join(folder, `${segmentFileName(baseOffset)}${CLEANED}`);
}

/**
 * Puts the cleaned file, which must be on disk, in the place of the segments that begin at `bases`. From the first rename on the
 * new file counts: a crash after it is finished by {@link openSegmentFiles}, one before it leaves everything as it was.
 */
export function swapSegments(folder: string, bases: readonly [number, ...number[]]): void {
  const [base, ...others] = bases;
  const swap = join(folder, `${segmentFileName(base)}${SWAP}`);
  renameSync(cleanedFile(folder, base), swap);
  syncFolder(folder);
  finishSwap(folder, base, others);
}

/** The base offsets of a log's segments, in order, after ending what a crash may have left half done. */
export function openSegmentFiles(folder: string): readonly number[] {
  for (const name of readdirSync(folder)) if (name.endsWith(CLEANED)) rmSync(join(folder, name), { force: true });
  for (const name of readdirSync(folder)) {
    if (!name.endsWith(SWAP)) continue;
    const base = Number(name.slice(0, 20));
    const replacement = new Segment(folder, base, undefined, name);
    const end = replacement.nextOffset;
    void replacement.close();
    finishSwap(
      folder,
      base,
      basesIn(folder).filter((other) => other > base && other < end),
    );
  }
  return basesIn(folder);
}

/** The others go first: as long as the swap file has its name, it is known that it stands for them. */
function finishSwap(folder: string, base: number, others: readonly number[]): void {
  for (const other of others) rmSync(join(folder, segmentFileName(other)), { force: true });
  syncFolder(folder);
  renameSync(join(folder, `${segmentFileName(base)}${SWAP}`), join(folder, segmentFileName(base)));
  syncFolder(folder);
}

function basesIn(folder: string): readonly number[] {
  const names = readdirSync(folder).filter((name) => SEGMENT.test(name));
  return names.map((name) => Number(name.slice(0, 20))).sort((a, b) => a - b);
}
