import { deltaError } from '../delta-errors.ts';
import type { SqlConnection } from '../duckdb/engine.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';
import {
  givenName,
  HITS,
  keyList,
  type MergePlan,
  type MergePolicy,
  type MergeTarget,
  policyOf,
  ROW,
  SOURCE,
  storedName,
  type UpdateCondition,
} from './merge-plan.ts';

/** The columns that a condition compares. */
export function comparedColumns(condition: UpdateCondition): readonly string[] {
  if ('distinct' in condition) return condition.distinct;
  if ('differs' in condition) return condition.differs;
  return ['newer' in condition ? condition.newer : condition.notOlder];
}

/** The same condition over columns of other names. */
export function renamedCondition(condition: UpdateCondition, nameOf: (name: string) => string): UpdateCondition {
  if ('newer' in condition) return { newer: nameOf(condition.newer) };
  if ('notOlder' in condition) return { notOlder: nameOf(condition.notOlder) };
  const [first, ...others] = 'distinct' in condition ? condition.distinct : condition.differs;
  const names: readonly [string, ...string[]] = [nameOf(first), ...others.map(nameOf)];
  return 'distinct' in condition ? { distinct: names } : { differs: names };
}

/** The condition as the log tells it. */
export function conditionText(condition: UpdateCondition): string {
  if ('newer' in condition) return `s.${condition.newer} > t.${condition.newer}`;
  if ('notOlder' in condition) return `s.${condition.notOlder} >= t.${condition.notOlder}`;
  if ('distinct' in condition) return condition.distinct.map((name) => `s.${name} IS DISTINCT FROM t.${name}`).join(' OR ');
  return condition.differs.map((name) => `t.${name} IS NULL OR s.${name} IS DISTINCT FROM t.${name}`).join(' OR ');
}

/** Throws `PH_DELTA_SCHEMA` for a condition over columns that never change: it would not be what it says. */
export function checkCondition(table: string, plan: MergePlan): void {
  if (plan.updateWhen === null) return;
  const fixed = comparedColumns(plan.updateWhen).filter((name) => plan.key.includes(name) || policyOf(plan, { name }) === 'preserve');
  if (fixed.length > 0)
    throw deltaError('PH_DELTA_SCHEMA', table, `updates of ${table} depend on ${fixed.join(', ')}, which never changes`);
}

/**
 * Takes out of {@link SOURCE} the rows that the condition keeps from being merged, one after the other as they stand in the
 * block: each is held against what the stored row, or the first of its key, and those before it have made. Needs
 * {@link HITS} with the stored values of the compared columns.
 *
 * No row has to be merged for that. A row that is left out by `distinct` or `differs` has the values that are there; one that is left
 * out by `newer` or `notOlder` is not the greatest so far. So either is told from the rows before it, whatever became of them.
 */
export async function leaveOutRows(
  connection: SqlConnection,
  target: MergeTarget,
  plan: MergePlan,
  condition: UpdateCondition,
): Promise<void> {
  const fields = comparedFields(target, condition);
  const isAlways = (field: SchemaField): boolean => policyOf(plan, field) === 'always';
  const always = fields.filter(isAlways).map(givenName);
  const key = keyList(plan);
  const columns = fields.map((field) => identifier(field.name));
  const changes = `SELECT ${[key, ROW, ...columns, ...always].join(', ')} FROM ${SOURCE}`;
  const stored = `SELECT ${[key, '-1', ...fields.map(storedName), ...always.map(() => 'true')].join(', ')} FROM ${HITS}`;
  const before = `OVER (PARTITION BY ${key} ORDER BY ${ROW} ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING)`;
  const states = fields.map((field) => `${stateBefore(field, condition, policyOf(plan, field), before)} AS ${storedName(field)}`);
  const held = `SELECT ${[ROW, ...columns, ...states].join(', ')}, count(*) ${before} AS "__ph_before" FROM (${changes} UNION ALL ${stored})`;
  const isUpdated = fields.map((field) => updates(field, condition)).join(' OR ');
  await connection.run(
    `DELETE FROM ${SOURCE} WHERE ${ROW} IN (SELECT ${ROW} FROM (${held}) WHERE "__ph_before" > 0 AND NOT (${isUpdated}))`,
  );
  const sameKey = plan.key.map((name) => `s.${identifier(name)} = h.${identifier(name)}`).join(' AND ');
  await connection.run(`DELETE FROM ${HITS} h WHERE NOT EXISTS (SELECT 1 FROM ${SOURCE} s WHERE ${sameKey})`);
}

/** The fields whose stored values {@link HITS} needs for the condition. */
export function comparedFields(target: MergeTarget, condition: UpdateCondition): readonly SchemaField[] {
  const names = comparedColumns(condition);
  return target.fields.filter(({ name }) => names.includes(name));
}

/** SQL of what a column holds before a row is merged. */
function stateBefore(field: SchemaField, condition: UpdateCondition, policy: MergePolicy, before: string): string {
  const column = identifier(field.name);
  if ('newer' in condition || 'notOlder' in condition || policy === 'greatest') return `max(${column}) ${before}`;
  const written = policy === 'always' ? givenName(field) : `${column} IS NOT NULL`;
  // In a struct, since a null that was written is a value here.
  return `struct_extract(last_value(CASE WHEN ${written} THEN {'v': ${column}} END IGNORE NULLS) ${before}, 'v')`;
}

function updates(field: SchemaField, condition: UpdateCondition): string {
  const column = identifier(field.name);
  const stored = storedName(field);
  if ('distinct' in condition) return `${column} IS DISTINCT FROM ${stored}`;
  if ('differs' in condition) return `(${stored} IS NULL OR ${column} IS DISTINCT FROM ${stored})`;
  return `(${stored} IS NULL OR coalesce(${column} ${'newer' in condition ? '>' : '>='} ${stored}, false))`;
}
