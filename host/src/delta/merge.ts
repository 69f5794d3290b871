import { type Action, type AddFile, removalOf } from './actions.ts';
import { identifier, type SchemaField } from './column-type.ts';
import { refusalReason } from './conversion.ts';
import { type TableFolder, writeDataFiles } from './data-files.ts';
import { RowConversionError, type RowFault } from './delta-errors.ts';
import type { DeltaEngine, SqlConnection } from './engine.ts';
import { candidateFiles } from './file-pruning.ts';
import type { WrittenFiles } from './parquet-copy.ts';
import { checkRowCount, type RowBlock, typedRows } from './row-block.ts';
import { blameRows } from './row-diagnosis.ts';
import { FILE_INDEX, withScan } from './scan.ts';

/**
 * What a merge does with a stored value: `keepOldWhenNull` (default) never overwrites with null, `always` writes what
 * comes, `preserve` never changes after the insert. A column that the row does not have always keeps what is stored.
 */
export type MergePolicy = 'keepOldWhenNull' | 'always' | 'preserve';

/** The table that a merge works on, at one version. */
export interface MergeTarget extends TableFolder {
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  readonly files: readonly AddFile[];
}

export interface MergePlan {
  readonly key: readonly string[];
  readonly policies: Readonly<Record<string, MergePolicy>>;
}

export interface MergeOutcome {
  readonly actions: readonly Action[];
  /** The new files among the actions, to be discarded if the commit is lost. */
  readonly adds: readonly AddFile[];
  readonly inserted: number;
  readonly updated: number;
}

/** Rewritten files of up to this size are put together, so that a table of small files grows fewer with every merge. */
const TARGET_FILE_BYTES = 64 * 1024 * 1024;
const SOURCE = 'temp.main."__ph_source"';
const CHANGES = 'temp.main."__ph_changes"';
const HITS = 'temp.main."__ph_hits"';
const ROW = '"__ph_row"';

/**
 * Computes a merge by rewriting every file that holds a key of the block (copy-on-write). Several rows of one key give
 * what they would give one after the other. Throws a {@link RowConversionError} for rows whose key is null.
 */
export async function computeMerge(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  block: RowBlock,
  plan: MergePlan,
): Promise<MergeOutcome> {
  try {
    await stageChanges(engine, connection, target, block, plan);
    const files = await candidateFiles(connection, CHANGES, target, plan.key);
    return await withScan(engine, target, files, target.fields, target.partitionBy, async (relation) => {
      await connection.run(
        `CREATE OR REPLACE TEMP TABLE "__ph_hits" AS SELECT ${FILE_INDEX}, ${keyList(plan)} FROM ${relation} t SEMI JOIN ${CHANGES} s USING (${keyList(plan)})`,
      );
      await refuseMissing(connection, target, plan);
      const hitFiles = await connection.rows(`SELECT DISTINCT ${FILE_INDEX} FROM ${HITS} ORDER BY 1`);
      const hit = hitFiles.flatMap(([index]) => files[Number(index)] ?? []);
      const [[changes, updated] = []] = await connection.rows(
        `SELECT (SELECT count(*) FROM ${CHANGES}), (SELECT count(*) FROM (SELECT DISTINCT ${keyList(plan)} FROM ${HITS}))`,
      );
      const written = await rewrite(engine, connection, target, plan, hit);
      const now = Date.now();
      const actions: readonly Action[] = [
        ...hit.map((file) => ({ remove: removalOf(file, now) })),
        ...written.adds.map((add) => ({ add })),
      ];
      return { actions, adds: written.adds, inserted: Number(changes) - Number(updated), updated: Number(updated) };
    });
  } finally {
    for (const name of ['__ph_source', '__ph_changes', '__ph_hits']) await connection.run(`DROP TABLE IF EXISTS temp.main."${name}"`);
  }
}

/** Converts the block and folds it to one row a key. */
async function stageChanges(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  block: RowBlock,
  plan: MergePlan,
): Promise<void> {
  const always = target.fields.filter((field) => policyOf(plan, field) === 'always');
  await engine.scratch
    .withFile(block.ndjson, async (file) => {
      const rows = await typedRows(connection, file, block, target.fields, always.length > 0);
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
  const folded = target.fields.filter((field) => !plan.key.includes(field.name)).map((field) => foldExpression(field, plan));
  const given = always.map((field) => `bool_or(${givenName(field)}) AS ${givenName(field)}`);
  await connection.run(
    `CREATE OR REPLACE TEMP TABLE "__ph_changes" AS SELECT ${[keyList(plan), ...folded, ...given].join(', ')} FROM ${SOURCE} GROUP BY ${keyList(plan)}`,
  );
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

/** Rows that would leave a column null that must not be: new rows without it, and rows that write null over it. */
async function refuseMissing(connection: SqlConnection, target: MergeTarget, plan: MergePlan): Promise<void> {
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
  }
}

function mergedExpression(field: SchemaField, plan: MergePlan): string {
  const column = identifier(field.name);
  if (plan.key.includes(field.name)) return `t.${column}`;
  switch (policyOf(plan, field)) {
    case 'keepOldWhenNull':
      return `coalesce(s.${column}, t.${column}) AS ${column}`;
    case 'always':
      return `CASE WHEN s.${givenName(field)} THEN s.${column} ELSE t.${column} END AS ${column}`;
    case 'preserve':
      return `t.${column}`;
  }
}

/** Writes the hit files anew, in groups, the new rows with the first group. */
async function rewrite(
  engine: DeltaEngine,
  connection: SqlConnection,
  target: MergeTarget,
  plan: MergePlan,
  hit: readonly AddFile[],
): Promise<WrittenFiles> {
  const names = target.fields.map((field) => identifier(field.name)).join(', ');
  const inserts = `SELECT ${names} FROM ${CHANGES} s ANTI JOIN ${HITS} h USING (${keyList(plan)})`;
  const merged = target.fields.map((field) => mergedExpression(field, plan)).join(', ');
  const { fields, partitionBy } = target;
  const write = (select: string) => writeDataFiles(engine, connection, target, { fields, partitionBy, select });
  const groups = grouped(hit);
  const [first, ...others] = groups;
  if (first === undefined) return await write(inserts);
  const rewritten = (group: readonly AddFile[], extra: string) =>
    withScan(engine, target, group, target.fields, target.partitionBy, (relation) =>
      write(`SELECT ${merged} FROM ${relation} t LEFT JOIN ${CHANGES} s USING (${keyList(plan)})${extra}`),
    );
  let total = await rewritten(first, ` UNION ALL ${inserts}`);
  for (const group of others) total = sum(total, await rewritten(group, ''));
  return total;
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

/** Which fields a row of the block must have a value for: the key. Others may be absent from an update; see {@link refuseMissing}. */
function sourceFields(target: MergeTarget, plan: MergePlan, key: 'nullable' | 'required'): readonly SchemaField[] {
  return target.fields.map((field) => ({ ...field, nullable: !(key === 'required' && plan.key.includes(field.name)) }));
}

function policyOf(plan: MergePlan, field: SchemaField): MergePolicy {
  return plan.policies[field.name] ?? 'keepOldWhenNull';
}

function givenName(field: SchemaField): string {
  return identifier(`__ph_given_${field.name}`);
}

function keyList(plan: MergePlan): string {
  return plan.key.map(identifier).join(', ');
}

function sum(a: WrittenFiles, b: WrittenFiles): WrittenFiles {
  return { adds: [...a.adds, ...b.adds], rows: a.rows + b.rows, bytes: a.bytes + b.bytes };
}
