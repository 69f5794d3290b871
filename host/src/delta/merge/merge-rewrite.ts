import { writeDataFiles } from '../data-files.ts';
import type { DeltaEngine, SqlConnection } from '../duckdb/engine.ts';
import { type Action, type AddFile, removalOf } from '../log/actions.ts';
import { withScan } from '../read/scan.ts';
import { NO_FILES, type WrittenFiles } from '../rows/parquet-copy.ts';
import { identifier } from '../schema/column-type.ts';
import { CHANGES, insertedRows, keyList, type MergePlan, type MergeTarget, mergedExpression } from './merge-plan.ts';

/** Rewritten files of up to this size are put together, so that a table of small files grows fewer with every merge. */
const TARGET_FILE_BYTES = 64 * 1024 * 1024;

/** Copy-on-write: writes every file that holds a changed row anew, in groups, the new rows with the first group. */
export async function rewriteFiles(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  plan: MergePlan,
  hit: readonly AddFile[],
): Promise<{ readonly actions: readonly Action[]; readonly added: readonly AddFile[] }> {
  const { fields, partitionBy, statisticsColumns } = target;
  const merged = fields.map((field) => mergedExpression(field, plan, `t.${identifier(field.name)}`)).join(', ');
  const write = (select: string) => writeDataFiles(engine, connection, target, { fields, partitionBy, statisticsColumns, select });
  let inserts: string | null = insertedRows(target, plan);
  let total: WrittenFiles = hit.length === 0 ? await write(inserts) : NO_FILES;
  for (const group of grouped(hit)) {
    const extra = inserts === null ? '' : ` UNION ALL ${inserts}`;
    inserts = null;
    const written = await withScan(engine, target, group, fields, partitionBy, (relation) =>
      write(`SELECT ${merged} FROM ${relation} t LEFT JOIN ${CHANGES} s USING (${keyList(plan)})${extra}`),
    );
    total = { adds: [...total.adds, ...written.adds], rows: total.rows + written.rows, bytes: total.bytes + written.bytes };
  }
  const now = Date.now();
  const actions = [...hit.map((file) => ({ remove: removalOf(file, now) })), ...total.adds.map((add) => ({ add }))];
  return { actions, added: total.adds };
}

function grouped(files: readonly AddFile[]): readonly (readonly AddFile[])[] {
  const groups: AddFile[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const file of files.toSorted((a, b) => a.size - b.size)) {
    if (bytes + file.size > TARGET_FILE_BYTES) {
      groups.push([]);
      bytes = 0;
    }
    groups.at(-1)?.push(file);
    bytes += file.size;
  }
  return groups;
}
