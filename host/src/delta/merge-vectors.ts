import { type Action, type AddFile, removalOf } from './actions.ts';
import { identifier, type SchemaField } from './column-type.ts';
import { writeDataFiles } from './data-files.ts';
import type { Positions } from './deletion-vectors/position-bitmap.ts';
import { readVector, vectorPath, writeVectors } from './deletion-vectors/vector-files.ts';
import type { DeltaEngine, SqlConnection } from './engine.ts';
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
} from './merge-plan.ts';
import { physicalRows } from './physical-rows.ts';
import { FILE_INDEX, FILE_POSITION, withScan } from './scan.ts';
import { looseStatistics } from './statistics.ts';

/** Merge on read: changed rows go into a new file together with the new ones, and deletion vectors take out their old versions. */
export async function supersedeRows(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  plan: MergePlan,
  files: readonly AddFile[],
): Promise<{ readonly actions: readonly Action[]; readonly added: readonly AddFile[]; readonly vectorFile: string | null }> {
  const { fields, partitionBy, statisticsColumns } = target;
  const superseded = await supersededRows(connection, files);
  const write = (updates: string) =>
    writeDataFiles(engine, connection, target, {
      fields,
      partitionBy,
      statisticsColumns,
      select: `${updates} UNION ALL ${insertedRows(target, plan)}`,
    });
  const needed = await neededFields(connection, target, plan);
  const changed = fields.map((field) => (needed.has(field) ? mergedExpression(field, plan) : `s.${identifier(field.name)}`)).join(', ');
  const written =
    needed.size === 0
      ? await write(`SELECT ${changed} FROM ${HITS} h JOIN ${CHANGES} s USING (${keyList(plan)})`)
      : await withScan(
          engine,
          target,
          superseded.map(({ file }) => file),
          fields,
          partitionBy,
          (relation) => write(`SELECT ${changed} FROM ${relation} t JOIN ${CHANGES} s USING (${keyList(plan)})`),
        );
  const { actions, vectorFile } = await takeOut(engine, connection, target, superseded);
  return { actions: [...actions, ...written.adds.map((add) => ({ add }))], added: written.adds, vectorFile };
}

interface SupersededRows {
  readonly file: AddFile;
  readonly positions: Positions;
}

async function supersededRows(connection: SqlConnection, files: readonly AddFile[]): Promise<readonly SupersededRows[]> {
  const rows = await connection.rows(
    `SELECT ${FILE_INDEX}, list(CAST(${FILE_POSITION} AS DOUBLE) ORDER BY ${FILE_POSITION}) FROM ${HITS} GROUP BY 1 ORDER BY 1`,
  );
  return rows.flatMap(([index, positions]) => {
    const file = files[Number(index)];
    return file === undefined || !Array.isArray(positions) ? [] : [{ file, positions: positions.map(Number) }];
  });
}

/** The fields whose stored value a change may keep: to fetch others for rows all over a table is most of a merge's time. */
async function neededFields(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<ReadonlySet<SchemaField>> {
  const fields = target.fields.filter((field) => !plan.key.includes(field.name));
  if (fields.length === 0) return new Set();
  const keeps = fields.map((field) => keepsStored(field, plan));
  const [answers = []] = await connection.rows(`SELECT ${keeps.join(', ')} FROM ${CHANGES} s SEMI JOIN ${HITS} h USING (${keyList(plan)})`);
  return new Set(fields.filter((_, at) => answers[at] === true));
}

/** SQL, over the changes `s`, of whether any of them keeps the field's stored value. */
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
    const before = file.deletionVector === undefined ? [] : await readVector(target, file.deletionVector);
    const rows = await physicalRows(engine, connection, target, file);
    if (before.length + positions.length < rows) kept.push({ file, rows, positions: merged(before, positions) });
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

/** Two ascending lists without a common value as one. */
function merged(some: Positions, others: Positions): Positions {
  return [...some, ...others].sort((a, b) => a - b);
}
