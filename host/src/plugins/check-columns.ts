import { type ColumnExpression, DELTA_TYPE, type PipelineError, type TableWriterDefinition, type TSchema } from '@pipeline-host/sdk';
import { Kind } from '@sinclair/typebox';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { fault } from './fault.ts';

const UUID = /^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$/i;

/** Whether a table writer says in one way what its rows are, and its columns name fields and columns that exist. */
export function checkColumns({ consumes, writes, rows, columns }: TableWriterDefinition, place: string): PipelineError[] {
  if ((rows === undefined) === (columns === undefined)) {
    const message = rows === undefined ? 'it has neither rows nor columns' : 'it has both rows and columns';
    return [fault('PH_TOPOLOGY_HANDLER', message, place, 'give it rows, a function, or columns, data')];
  }
  if (columns === undefined) return [];
  const [table] = writes;
  if (table === undefined || writes.length > 1)
    return [fault('PH_TOPOLOGY_COLUMN', `it has columns and writes ${writes.length} tables`, place, 'columns are for one table; use rows')];
  const faults: PipelineError[] = [];
  if (table.options.optional === true)
    faults.push(fault('PH_TOPOLOGY_COLUMN', `it has columns, and its only table "${table.name}" is optional`, place, 'use rows'));
  if (consumes.codec !== 'json')
    faults.push(fault('PH_TOPOLOGY_COLUMN', `it has columns, and "${consumes.name}" is no topic of JSON`, place, 'use rows'));
  const names = Object.keys(table.row.properties);
  for (const name of Object.keys(columns).filter((one) => !names.includes(one)))
    faults.push(
      fault(
        'PH_TOPOLOGY_COLUMN',
        `columns names "${name}", which is no column of ${table.name}`,
        place,
        didYouMean(name, names, `the columns are ${list(names)}`),
      ),
    );
  for (const [name, schema] of Object.entries(table.row.properties))
    if (schema[DELTA_TYPE] !== undefined && columns[name] === undefined)
      faults.push(
        fault('PH_TOPOLOGY_COLUMN', `columns does not say where "${name}" comes from, which may not be null`, place, `add ${name}`),
      );
  for (const [name, source] of Object.entries(columns)) faults.push(...checkSource(name, source.expression, consumes.schema, place));
  return faults;
}

function checkSource(column: string, expression: ColumnExpression, message: TSchema, place: string): PipelineError[] {
  switch (expression.kind) {
    case 'text':
    case 'json':
    case 'joined':
      return checkPath(column, expression.path, message, place);
    case 'first-of':
    case 'concat':
      return expression.of.flatMap((one) => checkSource(column, one, message, place));
    case 'uuid5':
      return [
        ...(UUID.test(expression.namespace)
          ? []
          : [fault('PH_TOPOLOGY_COLUMN', `column ${column}: the namespace of uuid5 is no UUID`, place, 'give it a UUID')]),
        ...checkSource(column, expression.of, message, place),
      ];
    case 'last-part':
    case 'day':
    case 'sha1':
    case 'sha256':
      return checkSource(column, expression.of, message, place);
    case 'message':
    case 'constant':
    case 'written-at':
      return [];
  }
}

/** Below a field of no known shape any path may be. */
function checkPath(column: string, path: string, message: TSchema, place: string): PipelineError[] {
  let schemas: readonly TSchema[] = [message];
  let at = '';
  for (const name of path.split('.')) {
    const objects = schemas.flatMap(alternatives).filter((schema) => schema[Kind] !== 'Null');
    if (objects.some((schema) => schema['properties'] === undefined && schema['type'] === undefined)) return [];
    const fields = objects.map((schema) => (schema['properties'] ?? {}) as Readonly<Record<string, TSchema>>);
    schemas = fields.flatMap((properties) => (Object.hasOwn(properties, name) ? [properties[name] as TSchema] : []));
    if (schemas.length === 0) {
      const known = fields.flatMap(Object.keys);
      const hint = didYouMean(name, known, known.length === 0 ? 'it is no object' : `its fields are ${list(known)}`);
      return [
        fault(
          'PH_TOPOLOGY_COLUMN',
          `column ${column} reads "${path}", and ${at === '' ? 'the message' : at} has no "${name}"`,
          place,
          hint,
        ),
      ];
    }
    at = at === '' ? name : `${at}.${name}`;
  }
  return [];
}

function alternatives(schema: TSchema): readonly TSchema[] {
  const members = (schema['anyOf'] ?? schema['allOf']) as readonly TSchema[] | undefined;
  return members === undefined ? [schema] : members.flatMap(alternatives);
}
