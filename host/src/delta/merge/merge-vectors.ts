import { writeDataFiles } from '../data-files.ts';
import { mergedPositions, type Positions } from '../deletion-vectors/position-bitmap.ts';
import { readVector, vectorPath, writeVectors } from '../deletion-vectors/vector-files.ts';
import type { DeltaEngine, SqlConnection } from '../duckdb/engine.ts';
import { type Action, type AddFile, removalOf } from '../log/actions.ts';
import { physicalRows } from '../read/physical-rows.ts';
import { FILE_INDEX, FILE_POSITION } from '../read/scan.ts';
import { looseStatistics } from '../rows/statistics.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';
import {
  CHANGES,
  givenName,
  HITS,
  insertedRows,
  keyList,
  type MergePlan,
  type MergeTarget,
  mergedExpression,
  policyOf,
  SOURCE,
  storedName,
} from './merge-plan.ts';

/**
 * Merge on read: changed rows go into a new file together with the new ones, and deletion vectors take out their old
 * versions. `kept`: see {@link keptFields}; {@link HITS} has their stored values.
 */
export async function supersedeRows(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  plan: MergePlan,
  files: readonly AddFile[],
  kept: ReadonlySet<SchemaField>,
): Promise<{ readonly actions: readonly Action[]; readonly added: readonly AddFile[]; readonly vectorFile: string | null }> {
  const { fields, partitionBy, statisticsColumns } = target;
  const superseded = await supersededRows(connection, files);
  const changed = fields.map((field) =>
    kept.has(field) ? mergedExpression(field, plan, `h.${storedName(field)}`) : `s.${identifier(field.name)}`,
  );
  const updates = `SELECT ${changed.join(', ')} FROM ${HITS} h JOIN ${CHANGES} s USING (${keyList(plan)})`;
  const written = await writeDataFiles(engine, connection, target, {
    fields,
    partitionBy,
    statisticsColumns,
    select: `${updates} UNION ALL ${insertedRows(target, plan)}`,
  });
  const { actions, vectorFile } = await takeOut(engine, connection, target, superseded);
  return { actions: [...actions, ...written.adds.map((add) => ({ add }))], added: written.adds, vectorFile };
}

interface SupersededRows {
  readonly file: AddFile;
  readonly positions: Positions;
}

async function supersededRows(connection: SqlConnection, files: readonly AddFile[]): Promise<readonly SupersededRows[]> {
  const found = new Map<number, number[]>();
  const sql = `SELECT ${FILE_INDEX}, CAST(${FILE_POSITION} AS DOUBLE) FROM ${HITS} ORDER BY 1, ${FILE_POSITION}`;
  await connection.pages(sql, (rows) => {
    for (const [index, position] of rows) {
      const positions = found.get(Number(index)) ?? [];
      if (positions.push(Number(position)) === 1) found.set(Number(index), positions);
    }
  });
  return [...found].flatMap(([index, positions]) => {
    const file = files[index];
    return file === undefined ? [] : [{ file, positions: Float64Array.from(positions) }];
  });
}

/**
 * The fields whose stored value a change may keep: to fetch others for rows all over a table is most of a merge's time.
 * Where a condition may leave out rows of the block, any row that it leaves may be a key's only one.
 */
export async function keptFields(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<ReadonlySet<SchemaField>> {
  const fields = target.fields.filter((field) => !plan.key.includes(field.name));
  if (fields.length === 0) return new Set();
  const keeps = fields.map((field) => keepsStored(field, plan));
  const [answers = []] = await connection.rows(`SELECT ${keeps.join(', ')} FROM ${plan.updateWhen === null ? CHANGES : SOURCE} s`);
  return new Set(fields.filter((_, at) => answers[at] === true));
}

/** SQL, over the rows `s` that are merged, of whether any of them keeps the field's stored value. */
function keepsStored(field: SchemaField, plan: MergePlan): string {
  switch (policyOf(plan, field)) {
    case 'keepOldWhenNull':
      return `bool_or(s.${identifier(field.name)} IS NULL)`;
    case 'always':
      return `bool_or(NOT s.${givenName(field)})`;
    case 'preserve':
    case 'greatest':
      return 'count(*) > 0';
  }
}

/** A file that loses its last row leaves the table; the others get one vector each, which holds all that they lost so far. */
async function takeOut(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  superseded: readonly SupersededRows[],
): Promise<{ readonly actions: readonly Action[]; readonly vectorFile: string | null }> {
  const now = Date.now();
  const actions: Action[] = superseded.map(({ file }) => ({ remove: removalOf(file, now) }));
  const kept: { file: AddFile; rows: number; positions: Positions }[] = [];
  for (const { file, positions } of superseded) {
    const before = file.deletionVector === undefined ? new Float64Array() : await readVector(target, file.deletionVector);
    const rows = await physicalRows(engine, connection, target, file);
    if (before.length + positions.length < rows) kept.push({ file, rows, positions: mergedPositions(before, positions) });
  }
  const vectors = await writeVectors(
    target,
    kept.map(({ positions }) => positions),
  );
  for (const [at, deletionVector] of vectors.entries()) {
    const one = kept[at];
    if (one !== undefined)
      actions.push({ add: { ...one.file, dataChange: true, stats: looseStatistics(one.file.stats, one.rows), deletionVector } });
  }
  const [first] = vectors;
  return { actions, vectorFile: first === undefined ? null : vectorPath(target, first) };
}
