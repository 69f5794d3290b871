import type { TableFolder } from '../data-files.ts';
import type { AddFile } from '../log/actions.ts';
import { identifier, type SchemaField } from '../schema/column-type.ts';

/**
 * What a merge does with a stored value: `keepOldWhenNull` (default) never overwrites with null, `always` writes what
 * comes, `preserve` never changes after the insert, `greatest` keeps the greater value, null being less than all. A column
 * that the row does not have always keeps what is stored.
 */
export type MergePolicy = 'keepOldWhenNull' | 'always' | 'preserve' | 'greatest';

/**
 * When a row is merged into the one that has its key; always where there is none. `distinct`: any of the columns differs
 * from what is stored, null being a value like others. `differs`: the same, but all rows differ from a null that is stored. `newer`, `notOlder`: the column's value is greater than the stored
 * one, or also equal to it; a stored null is older than all, and null is newer than nothing that is stored. A column that a
 * row does not have counts as null.
 */
export type UpdateCondition =
  | { readonly distinct: readonly [string, ...string[]] }
  | { readonly differs: readonly [string, ...string[]] }
  | { readonly newer: string }
  | { readonly notOlder: string };

/** The table that a merge works on, at one version. */
export interface MergeTarget extends TableFolder {
  readonly fields: readonly SchemaField[];
  readonly partitionBy: readonly string[];
  readonly statisticsColumns: ReadonlySet<string>;
  readonly files: readonly AddFile[];
}

export interface MergePlan {
  readonly key: readonly string[];
  readonly policies: Readonly<Record<string, MergePolicy>>;
  readonly updateWhen: UpdateCondition | null;
}

/** The rows of the block in the table's types. */
export const SOURCE = 'temp.main."__ph_source"';
/** The column of {@link SOURCE} that holds the row's index in the block. */
export const ROW = '"__ph_row"';

/** One row a key, folded from the block. */
export const CHANGES = 'temp.main."__ph_changes"';
/** The rows of the table that have a key of the changes: file, position where known, key, and the stored values that are needed. */
export const HITS = 'temp.main."__ph_hits"';

export function policyOf(plan: MergePlan, field: Pick<SchemaField, 'name'>): MergePolicy {
  // A column may be called as something that every object has: constructor, toString.
  return (Object.hasOwn(plan.policies, field.name) ? plan.policies[field.name] : undefined) ?? 'keepOldWhenNull';
}

/** The column of the changes that says whether a row gives the field: for fields of the policy `always`. */
export function givenName(field: SchemaField): string {
  return identifier(`__ph_given_${field.name}`);
}

export function keyList(plan: MergePlan): string {
  return plan.key.map(identifier).join(', ');
}

/** The column of {@link HITS} that holds the field's stored value. */
export function storedName(field: SchemaField): string {
  return identifier(`__ph_stored_${field.name}`);
}

/** The select list items that {@link HITS} needs for it of the stored rows `t`. */
export function storedItem(field: SchemaField): string {
  return `t.${identifier(field.name)} AS ${storedName(field)}`;
}

/** The merged value of a field, from SQL of the stored one and the change `s`. */
export function mergedExpression(field: SchemaField, plan: MergePlan, stored: string): string {
  const column = identifier(field.name);
  if (plan.key.includes(field.name)) return `${stored} AS ${column}`;
  switch (policyOf(plan, field)) {
    case 'keepOldWhenNull':
      return `coalesce(s.${column}, ${stored}) AS ${column}`;
    case 'always':
      return `CASE WHEN s.${givenName(field)} THEN s.${column} ELSE ${stored} END AS ${column}`;
    case 'preserve':
      return `${stored} AS ${column}`;
    case 'greatest':
      return `CASE WHEN ${stored} IS NULL OR s.${column} > ${stored} THEN s.${column} ELSE ${stored} END AS ${column}`;
  }
}

/** A SELECT of the changes whose key the table does not have. */
export function insertedRows(target: MergeTarget, plan: MergePlan): string {
  const names = target.fields.map((field) => identifier(field.name)).join(', ');
  return `SELECT ${names} FROM ${CHANGES} s ANTI JOIN ${HITS} h USING (${keyList(plan)})`;
}
