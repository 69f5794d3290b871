import { setImmediate } from 'node:timers/promises';
import type { TableFolder } from '../data-files.ts';
import type { DeltaEngine } from '../duckdb/engine.ts';
import type { AddFile } from '../log/actions.ts';
import { literal } from '../schema/column-type.ts';
import type { Positions } from './position-bitmap.ts';
import { readVector } from './vector-files.ts';

/** Vectors read at once. */
const READS_AT_ONCE = 8;
/** Positions put into text before the event loop has its turn again. */
const SLICE = 20_000;

/**
 * Runs `use` with SQL of a relation of the deleted rows, by `file` (the index in the list) and `position`; null where no
 * file has a deletion vector.
 */
export async function withDeletedRows<T>(
  engine: DeltaEngine,
  table: TableFolder,
  files: readonly AddFile[],
  use: (deleted: string | null) => Promise<T>,
): Promise<T> {
  if (files.every((file) => file.deletionVector === undefined)) return await use(null);
  return await engine.scratch.withFile(await deletedLines(table, files), (file) =>
    use(
      `read_csv(${literal(file)}, header = false, auto_detect = false, delim = ',', columns = {'file': 'INTEGER', 'position': 'BIGINT'})`,
    ),
  );
}

async function deletedLines(table: TableFolder, files: readonly AddFile[]): Promise<Buffer> {
  const slices: Buffer[] = [];
  for (let from = 0; from < files.length; from += READS_AT_ONCE) {
    const some = files.slice(from, from + READS_AT_ONCE).map(async ({ deletionVector }, at) => {
      if (deletionVector === undefined) return;
      const positions = await readVector(table, deletionVector);
      for (let first = 0; first < positions.length; first += SLICE) {
        slices.push(linesOf(from + at, positions.subarray(first, first + SLICE)));
        await setImmediate();
      }
    });
    await Promise.all(some);
  }
  return Buffer.concat(slices);
}

function linesOf(file: number, positions: Positions): Buffer {
  let lines = '';
  for (const position of positions) lines += `${file},${position}\n`;
  return Buffer.from(lines);
}
