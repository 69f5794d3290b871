import { deltaError } from '../delta-errors.ts';
import { identifier, literal, type SchemaField } from '../schema/column-type.ts';
import { convertExpression, type ValueForm } from './conversion.ts';
import { convertInFolder, isPartitionText, storedText } from './partition-text.ts';

/** One row as JSON may be this long; Kafka's messages are far shorter. */
export const LONGEST_ROW_BYTES = 64 * 1024 * 1024;

/** How lines that are messages, not rows, become rows: by SQL over their bytes, parsed once by DuckDB's own threads. */
export interface RowProjection {
  /** The fields to read, as DuckDB's JSON structure: `{ id: 'VARCHAR', data: { name: 'VARCHAR', tags: ['VARCHAR'] } }`. */
  readonly message: object;
  /**
   * By column, SQL over `message` (a struct of those fields), `line` (the message's text), `original` (what stands behind
   * U+0001 in the line, else the line) and the block's constants.
   */
  readonly columns: Readonly<Record<string, string>>;
  /** `text`: the SQL gives JSON's text of a value, which is converted as a row's field is. `typed`: it is cast to the column's type. */
  readonly form: ValueForm;
}

/** Rows on their way into a table. */
export interface RowBlock {
  /**
   * One JSON object a line. Fields are the table's columns; a missing field is null (in a merge: keeps what is stored).
   * Timestamps are ISO text (`2026-01-05T14:22:07.123456Z`, further digits are cut, no zone means UTC), dates
   * `2026-01-05`, binary base64, 64-bit whole numbers and decimals numbers or text. A decimal of over 15 digits is exact
   * only as text.
   */
  readonly ndjson: Uint8Array;
  /** How many lines there are. Checked before the commit. */
  readonly rows: number;
  /** Without it the fields of a line are the columns. */
  readonly projection?: RowProjection;
  /** Texts for the projection's SQL, by name. */
  readonly constants?: Readonly<Record<string, string>>;
  /** Whether any line has an original behind U+0001, which valid JSON never holds. */
  readonly hasOriginals?: boolean;
}

/** Rows on their way into one live table. */
export interface TableBlock extends RowBlock {
  /** By column, the name under which lines and projection give it, where it is another than the column's. */
  readonly givenNames: ReadonlyMap<string, string>;
  readonly partitionBy: readonly string[];
}

/** SQL of a block's rows in the table's types. */
export interface TypedRows {
  /** A column as it is given, not converted; a null where the lines have none of its name. */
  given(field: SchemaField): string;
  /** The select list item of a column: its converted value. */
  value(field: SchemaField): string;
  /** Whether a row gives the column, which may then still be null. */
  presence(field: SchemaField): string;
  readonly relation: string;
}

/** SQL over the block in `file`. `presence` costs a second look at each row: ask for it only where it is needed. */
export function typedRows(file: string, block: TableBlock, fields: readonly SchemaField[], presence: boolean): TypedRows {
  const options = `format = 'newline_delimited', maximum_object_size = ${maximumObjectSize(block)}`;
  if (block.projection !== undefined) return typedLines(readLines(file, block), block, fields);
  if (!presence) {
    const types = fields.map((field) => `${literal(givenName(block, field))}: 'VARCHAR'`).join(', ');
    return textRows(block, `read_json(${literal(file)}, ${options}, records = 'true', columns = {${types}})`);
  }
  return {
    ...textRows(
      block,
      `(SELECT unnest(from_json(json, ${literal(textStructure(block, fields))})), "__ph_keys" FROM (SELECT json, json_keys(json) AS "__ph_keys" FROM read_json_objects(${literal(file)}, ${options})) WHERE ${namesOnce('"__ph_keys"')})`,
    ),
    presence: (field) => `list_contains("__ph_keys", ${literal(givenName(block, field))})`,
  };
}

/**
 * SQL over the texts in the column `line` of a relation, as {@link typedRows} over the lines of a block. `kept`: a column of
 * the relation that the rows have too.
 */
export function typedLines(lines: string, block: TableBlock, fields: readonly SchemaField[], kept?: string): TypedRows {
  const { projection } = block;
  const first = kept === undefined ? '' : `${identifier(kept)}, `;
  if (projection === undefined) {
    return textRows(block, `(SELECT ${first}unnest(from_json(line, ${literal(textStructure(block, fields))})) FROM ${lines})`);
  }
  const isGiven = (field: SchemaField): boolean => Object.hasOwn(projection.columns, givenName(block, field));
  const given = (field: SchemaField): string => (isGiven(field) ? asStored(block, field, identifier(field.name)) : 'CAST(NULL AS VARCHAR)');
  return {
    given,
    value: (field) => converted(block, field, given(field), isGiven(field) ? projection.form : 'text'),
    presence: (field) => (isGiven(field) ? 'true' : 'false'),
    relation: `(SELECT ${first}${projected(lines, block, projection, fields.filter(isGiven))})`,
  };
}

/** SQL that fails where a name is given twice, as `read_json` does by itself; `from_json` takes the first. */
function namesOnce(keys: string): string {
  return `CASE WHEN list_unique(${keys}) < len(${keys}) THEN error('an object has a name twice') ELSE true END`;
}

/** A relation that has each column as text, under the name by which it is given. */
function textRows(block: TableBlock, relation: string): TypedRows {
  const given = (field: SchemaField): string => asStored(block, field, identifier(givenName(block, field)));
  return { given, value: (field) => converted(block, field, given(field), 'text'), presence: () => 'true', relation };
}

function givenName({ givenNames }: TableBlock, { name }: SchemaField): string {
  return givenNames.get(name) ?? name;
}

/** A value as the table can keep it. */
function asStored({ partitionBy }: TableBlock, field: SchemaField, value: string): string {
  return isPartitionText(partitionBy, field) ? storedText(value) : value;
}

function converted({ partitionBy }: TableBlock, field: SchemaField, given: string, form: ValueForm): string {
  const value = convertExpression(field, given, form);
  return isPartitionText(partitionBy, field) ? convertInFolder(field.name, given, value) : value;
}

/** The structure argument of `from_json` that gives every column as text. */
function textStructure(block: TableBlock, fields: readonly SchemaField[]): string {
  return JSON.stringify(Object.fromEntries(fields.map((field) => [givenName(block, field), 'VARCHAR'])));
}

/** The lines of a block, blank ones left out. */
export function blockLines(ndjson: Uint8Array): readonly Buffer[] {
  const bytes = Buffer.from(ndjson.buffer, ndjson.byteOffset, ndjson.byteLength);
  const lines: Buffer[] = [];
  for (let start = 0; start < bytes.length; ) {
    const end = bytes.indexOf(0x0a, start);
    const line = bytes.subarray(start, end < 0 ? bytes.length : end);
    if (line.some((byte) => byte !== 0x20 && byte !== 0x0d && byte !== 0x09)) lines.push(line);
    start = end < 0 ? bytes.length : end + 1;
  }
  return lines;
}

/** The first line and the last, by line feeds alone. */
export function endLines(ndjson: Uint8Array): readonly [string, string] {
  const bytes = Buffer.from(ndjson.buffer, ndjson.byteOffset, ndjson.byteLength);
  const end = bytes.at(-1) === 0x0a ? bytes.length - 1 : bytes.length;
  const firstEnd = bytes.indexOf(0x0a);
  const first = bytes.toString('utf8', 0, firstEnd < 0 ? end : firstEnd);
  return [first, bytes.toString('utf8', bytes.lastIndexOf(0x0a, end - 1) + 1, end)];
}

/** No line is longer than its block. DuckDB sizes its buffers by this. */
function maximumObjectSize(block: RowBlock): number {
  return Math.max(1024 * 1024, Math.min(block.ndjson.byteLength + 1, LONGEST_ROW_BYTES));
}

/** A select list and what it selects from. */
function projected(lines: string, block: TableBlock, { message, columns }: RowProjection, fields: readonly SchemaField[]): string {
  const { constants = {}, hasOriginals = false } = block;
  const items = fields.map((field) => `${columns[givenName(block, field)] ?? 'NULL'} AS ${identifier(field.name)}`).join(', ');
  // Those that are not asked for are left out, so that the text of the statement stays the same.
  const named = Object.entries(constants)
    .filter(([name]) => items.includes(name))
    .map(([name, value]) => `${literal(value)} AS ${identifier(name)}`);
  const texts = hasOriginals
    ? '* REPLACE (split_part(line, chr(1), 1) AS line), CASE WHEN contains(line, chr(1)) THEN split_part(line, chr(1), 2) ELSE line END AS original'
    : '*, line AS original';
  const parsed = `from_json(line, ${literal(JSON.stringify(message))}) AS message`;
  return `${items} FROM (SELECT *, ${[parsed, ...named].join(', ')} FROM (SELECT ${texts} FROM ${lines}))`;
}

/**
 * The lines as text. Valid JSON holds no raw control character, so U+0002 parts nothing. Without its own size the buffer is
 * 16 lines of the greatest length: 164 MB for a block of 10 MB, so that three blocks at once overran a limit of 512 MB.
 */
function readLines(file: string, block: RowBlock): string {
  const format =
    "header = false, auto_detect = false, delim = chr(2), quote = '', escape = '', new_line = '\\n', columns = {'line': 'VARCHAR'}";
  const size = maximumObjectSize(block);
  return `read_csv(${literal(file)}, ${format}, max_line_size = ${size}, buffer_size = ${size})`;
}

/** Throws if a block does not hold as many rows as it says: then rows would be lost, or written that nobody answers for. */
export function checkRowCount(table: string, block: Pick<RowBlock, 'rows'>, read: number): void {
  if (read !== block.rows) throw deltaError('PH_DELTA_ROW_COUNT', table, `a block for ${table} says ${block.rows} rows and holds ${read}`);
}
