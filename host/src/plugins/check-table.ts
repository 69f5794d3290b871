import {
  DELTA_TYPE,
  type MergeOptions,
  milliseconds,
  type PipelineError,
  type TableDefinition,
  type TSchema,
  type UpdateCondition,
} from '@pipeline-host/sdk';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { fault } from './fault.ts';

const SIMPLE_TYPES: readonly string[] = ['string', 'integer', 'long', 'double', 'boolean', 'date', 'timestamp', 'binary'];

/** Delta refuses these in column names where columns are not mapped. */
const FORBIDDEN_IN_COLUMNS = /[ ,;{}()\n\t=]/;

/** Whether a table's options speak of its columns, and the columns of types that exist. */
export function checkTable({ name, row, options }: TableDefinition, plugin: string): PipelineError[] {
  const place = `table ${name} of plugin ${plugin}`;
  const columns = Object.keys(row.properties);
  const faults = Object.entries(row.properties).flatMap(([column, schema]) => checkColumn(column, schema, place));
  const lower = columns.map((column) => column.toLowerCase());
  for (const [index, column] of columns.entries()) {
    if (lower.indexOf(column.toLowerCase()) !== index)
      faults.push(fault('PH_TOPOLOGY_DUPLICATE', `column "${column}" differs from another one only in case`, place, 'rename one of them'));
  }
  const named = (use: string, used: readonly string[]): void => {
    for (const column of used) {
      if (!columns.includes(column))
        faults.push(
          fault(
            'PH_TOPOLOGY_COLUMN',
            `${use} names "${column}", which is no column`,
            place,
            didYouMean(column, columns, `the columns are ${list(columns)}`),
          ),
        );
    }
  };
  faults.push(...checkAliases(options.aliases ?? {}, columns, place));
  const { partitionBy = [] } = options;
  named('partitionBy', partitionBy);
  if (columns.length > 0 && columns.every((column) => partitionBy.includes(column)))
    faults.push(fault('PH_TOPOLOGY_COLUMN', 'partitionBy names every column', place, 'leave at least one column out'));
  if (options.mode === 'merge') {
    const { key, columns: policies = {}, updateWhen } = options;
    named('key', key);
    named('columns', Object.keys(policies));
    if (updateWhen !== undefined) {
      const compared: readonly string[] = Object.values(updateWhen).flat();
      named('updateWhen', compared);
      faults.push(...checkCondition(updateWhen, compared, options, place));
    }
    if (key.length === 0)
      faults.push(fault('PH_TOPOLOGY_COLUMN', 'a merge table without a key', place, 'name the columns that make a row the same row'));
    for (const column of key) {
      if (column in policies)
        faults.push(
          fault(
            'PH_TOPOLOGY_COLUMN',
            `columns gives "${column}" a policy, which is part of the key and never changes`,
            place,
            'take it out of columns',
          ),
        );
      if (columnTypeOf(row.properties[column])?.nullable === true)
        faults.push(
          fault(
            'PH_TOPOLOGY_COLUMN',
            `"${column}" is part of the key and may be null`,
            place,
            'take Nullable(...) away: a row without its key is a dead letter',
          ),
        );
    }
  } else if (options.dedupe !== undefined) {
    named('dedupe', [options.dedupe.column]);
    if (!isPositive(options.dedupe.window))
      faults.push(
        fault(
          'PH_TOPOLOGY_SETTING',
          `dedupe.window is ${JSON.stringify(options.dedupe.window)}`,
          place,
          'write a duration longer than 0, such as "1h"',
        ),
      );
  }
  return faults;
}

/** Each name that a column may have in a table that exists is for that column alone. */
function checkAliases(
  aliases: Readonly<Partial<Record<string, readonly string[]>>>,
  columns: readonly string[],
  place: string,
): PipelineError[] {
  const faults: PipelineError[] = [];
  const taken = new Map(columns.map((column) => [column.toLowerCase(), column]));
  for (const [column, names] of Object.entries(aliases)) {
    if (!columns.includes(column))
      faults.push(
        fault(
          'PH_TOPOLOGY_COLUMN',
          `aliases names "${column}", which is no column`,
          place,
          didYouMean(column, columns, `the columns are ${list(columns)}`),
        ),
      );
    for (const name of names ?? []) {
      const owner = taken.get(name.toLowerCase());
      if (owner !== undefined)
        faults.push(
          fault('PH_TOPOLOGY_DUPLICATE', `"${name}" is an alias of "${column}" and a name of "${owner}"`, place, 'keep one of them'),
        );
      else taken.set(name.toLowerCase(), column);
    }
  }
  return faults;
}

/** Exactly one comparison, of columns that a merge changes. */
function checkCondition(
  updateWhen: UpdateCondition,
  compared: readonly string[],
  { key, columns = {} }: MergeOptions<string>,
  place: string,
): PipelineError[] {
  const kinds = Object.keys(updateWhen);
  if (kinds.length !== 1 || compared.length === 0)
    return [
      fault('PH_TOPOLOGY_COLUMN', 'updateWhen does not say one condition', place, 'give it one of distinct, differs, newer and notOlder'),
    ];
  return compared
    .filter((column) => key.includes(column) || columns[column] === 'preserve')
    .map((column) =>
      fault('PH_TOPOLOGY_COLUMN', `updateWhen compares "${column}", which never changes`, place, 'name a column that a merge writes'),
    );
}

function checkColumn(column: string, schema: TSchema, place: string): PipelineError[] {
  if (FORBIDDEN_IN_COLUMNS.test(column) || column === '')
    return [fault('PH_TOPOLOGY_NAME', `"${column}" cannot be the name of a column`, place, 'use letters, digits and underscores')];
  const type = columnTypeOf(schema);
  if (type === null) return [fault('PH_TOPOLOGY_COLUMN_TYPE', `column "${column}" has no Delta type`, place)];
  return isDeltaType(type.name)
    ? []
    : [fault('PH_TOPOLOGY_COLUMN_TYPE', `column "${column}" is of the unknown type "${type.name}"`, place)];
}

/** The Delta type of a column schema; null where it is not made by a column builder. */
function columnTypeOf(schema: TSchema | undefined): { readonly name: string; readonly nullable: boolean } | null {
  if (schema === undefined) return null;
  const own: unknown = schema[DELTA_TYPE];
  if (typeof own === 'string') return { name: own, nullable: false };
  const alternatives: readonly TSchema[] = Array.isArray(schema['anyOf']) ? schema['anyOf'] : [];
  const [typed, ...more] = alternatives.filter((alternative) => alternative['type'] !== 'null');
  const name: unknown = typed?.[DELTA_TYPE];
  return alternatives.length === 2 && more.length === 0 && typeof name === 'string' ? { name, nullable: true } : null;
}

function isDeltaType(name: string): boolean {
  if (SIMPLE_TYPES.includes(name)) return true;
  const [, precision, scale] = /^decimal\((\d+),(\d+)\)$/.exec(name)?.map(Number) ?? [];
  return precision !== undefined && scale !== undefined && precision >= 1 && precision <= 38 && scale <= precision;
}

function isPositive(duration: number | string): boolean {
  try {
    return milliseconds(duration) > 0;
  } catch {
    return false;
  }
}
