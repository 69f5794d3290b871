import { RowConversionError, type RowFault } from '../delta-errors.ts';
import type { DeltaEngine, SqlConnection } from '../duckdb/engine.ts';
import { refusalReason } from '../rows/conversion.ts';
import { checkRowCount, type TableBlock, typedRows } from '../rows/row-block.ts';
import { blameRows } from '../rows/row-diagnosis.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';
import { CHANGES, givenName, HITS, keyList, type MergePlan, type MergeTarget, policyOf, ROW, SOURCE } from './merge-plan.ts';

/** Converts the block and folds it to one row a key, {@link CHANGES}. Throws a {@link RowConversionError}. */
export async function stageChanges(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  block: TableBlock,
  plan: MergePlan,
): Promise<void> {
  const always = target.fields.filter((field) => policyOf(plan, field) === 'always');
  await engine.scratch
    .withFile(block.ndjson, async (file) => {
      const rows = typedRows(file, block, target.fields, always.length > 0);
      const values = sourceFields(target, plan, 'nullable').map((field) => `${rows.value(field)} AS ${identifier(field.name)}`);
      const given = always.map((field) => `${rows.presence(field)} AS ${givenName(field)}`);
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE "__ph_source" AS SELECT row_number() OVER () - 1 AS ${ROW}, ${[...values, ...given].join(', ')} FROM ${rows.relation}`,
      );
    })
    .catch((failure: unknown) =>
      blameRows(engine.scratch, connection, target.path, block, sourceFields(target, plan, 'required'), failure),
    );
  const [[staged] = []] = await connection.rows(`SELECT count(*) FROM ${SOURCE}`);
  checkRowCount(target.path, block, Number(staged));
  await refuseNullKeys(connection, target, plan);
  await foldChanges(connection, target, plan);
}

/** Makes {@link CHANGES} of the rows that {@link SOURCE} holds. */
export async function foldChanges(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<void> {
  const always = target.fields.filter((field) => policyOf(plan, field) === 'always');
  const folded = target.fields.filter((field) => !plan.key.includes(field.name)).map((field) => foldExpression(field, plan));
  const given = always.map((field) => `bool_or(${givenName(field)}) AS ${givenName(field)}`);
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE "__ph_changes" AS SELECT ${[keyList(plan), ...folded, ...given].join(', ')} FROM ${SOURCE} GROUP BY ${keyList(plan)}`,
  );
}

/** Removes what a merge staged. */
export async function dropChanges(connection: SqlConnection): Promise<void> {
  for (const name of ['__ph_source', '__ph_changes', '__ph_hits']) await connection.run(`DROP TABLE IF EXISTS temp.main."${name}"`);
}

async function refuseNullKeys(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<void> {
  const nulls = plan.key.map((name) => `${identifier(name)} IS NULL`);
  const rows = await connection.rows(`SELECT ${ROW}, ${nulls.join(', ')} FROM ${SOURCE} WHERE ${nulls.join(' OR ')} ORDER BY 1`);
  if (rows.length === 0) return;
  const faults = rows.flatMap(([index, ...isNull]) =>
    plan.key.flatMap((column, at) =>
      isNull[at] === true ? [{ index: Number(index), column, reason: 'is null, and it is a merge key' }] : [],
    ),
  );
  throw new RowConversionError('PH_DELTA_NULL_KEY', target.path, faults);
}

/**
 * Refuses rows that would leave a column null that must not be: new rows without it, and rows that write null over it.
 * Needs {@link HITS}. Throws a {@link RowConversionError}.
 */
export async function refuseMissing(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<void> {
  const faults: RowFault[] = [];
  for (const field of target.fields) {
    if (field.nullable || plan.key.includes(field.name)) continue;
    const column = identifier(field.name);
    const written = policyOf(plan, field) === 'always' ? ` OR (r.${givenName(field)} AND r.${column} IS NULL)` : '';
    const fresh = `(SELECT ${keyList(plan)} FROM ${CHANGES} c ANTI JOIN ${HITS} h USING (${keyList(plan)}) WHERE c.${column} IS NULL)`;
    const rows = await connection.rows(
      `SELECT r.${ROW} FROM ${SOURCE} r WHERE (${plan.key.map((name) => `r.${identifier(name)}`).join(', ')}) IN ${fresh}${written} ORDER BY 1`,
    );
    faults.push(...rows.map(([index]) => ({ index: Number(index), column: field.name, reason: refusalReason(field, null) })));
  }
  if (faults.length > 0) throw new RowConversionError('PH_DELTA_ROW_CONVERSION', target.path, faults);
}

/** One value of all rows of a key, in their order, as if each had been merged alone. */
function foldExpression(field: SchemaField, plan: MergePlan): string {
  const column = identifier(field.name);
  switch (policyOf(plan, field)) {
    case 'keepOldWhenNull':
      return `arg_max(${column}, ${ROW}) FILTER (${column} IS NOT NULL) AS ${column}`;
    case 'always':
      return `arg_max_null(${column}, ${ROW}) FILTER (${givenName(field)}) AS ${column}`;
    case 'preserve':
      return `arg_min_null(${column}, ${ROW}) AS ${column}`;
    case 'greatest':
      return `max(${column}) AS ${column}`;
  }
}

/** Which fields a row of the block must have a value for: the key. Others may be absent from an update; see {@link refuseMissing}. */
function sourceFields(target: MergeTarget, plan: MergePlan, key: 'nullable' | 'required'): readonly SchemaField[] {
  return target.fields.map((field) => ({ ...field, nullable: !(key === 'required' && plan.key.includes(field.name)) }));
}
