import { isUtf8 } from 'node:buffer';
import { isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import { RowConversionError, type RowFault } from '../delta-errors.ts';
import type { SqlConnection } from '../duckdb/engine.ts';
import type { Scratch } from '../duckdb/scratch.ts';
import { literal, type SchemaField } from '../schema/column-type.ts';
import { refusalCondition, refusalReason } from './conversion.ts';
import { folderRefusal, isPartitionText } from './partition-text.ts';
import { blockLines, LONGEST_ROW_BYTES, type TableBlock, typedLines, typedRows } from './row-block.ts';

const SHOWN_CHARACTERS = 60;

/**
 * Finds which rows of a block made a statement fail. Returns every refused row, or none where the rows are all right and
 * the failure has another cause. Runs only after a failure, so it may take its time.
 */
export async function diagnoseRows(
  scratch: Scratch,
  connection: SqlConnection,
  block: TableBlock,
  fields: readonly SchemaField[],
): Promise<readonly RowFault[]> {
  const lines = blockLines(block.ndjson);
  const faults: RowFault[] = [];
  const readable: IndexedLine[] = [];
  for (const [index, bytes] of lines.entries()) {
    const reason = lineFault(bytes, block.hasOriginals === true);
    if (reason === null) readable.push({ index, bytes });
    else faults.push({ index, column: null, reason });
  }
  // The values of a typed projection are no text that could be looked at.
  const found = block.projection?.form === 'typed' ? [] : await columnFaults(scratch, connection, readable, block, fields);
  const refused = new Set(found.map((fault) => fault.index));
  const unexplained = readable.filter((line) => !refused.has(line.index));
  // Whatever the checks above do not know (duplicate fields, half characters, a projection's own failures) is found by trying.
  faults.push(...found, ...(await bisect(scratch, connection, unexplained, block, fields)));
  return faults.sort((a, b) => a.index - b.index);
}

/** Throws a {@link RowConversionError} if rows of the block are to blame for the failure of a statement, else the failure itself. */
export async function blameRows(
  scratch: Scratch,
  connection: SqlConnection,
  table: string,
  block: TableBlock,
  fields: readonly SchemaField[],
  failure: unknown,
): Promise<never> {
  if (!mayBeOfRows(failure)) throw failure;
  const faults = await diagnoseRows(scratch, connection, block, fields);
  if (faults.length > 0) throw new RowConversionError('PH_DELTA_ROW_CONVERSION', table, faults);
  throw failure;
}

/** DuckDB's failures that no row causes: a disk, a file that was taken away, a database that is down. */
const OF_NO_ROW = /^(IO|FATAL|INTERRUPT|Permission) Error/;
/** DuckDB needs more memory than it may have: for a long row, or because other work has it. */
const OUT_OF_MEMORY = /^Out of Memory Error/;
/** A shorter row is not what fills the memory. */
const LONG_ROW_BYTES = 1024 * 1024;

function mayBeOfRows(failure: unknown): failure is PipelineError {
  return isPipelineError(failure) && failure.code === 'PH_DELTA_ENGINE' && !OF_NO_ROW.test(failure.message);
}

interface IndexedLine {
  readonly index: number;
  readonly bytes: Buffer;
}

function lineFault(bytes: Buffer, hasOriginals: boolean): string | null {
  if (bytes.byteLength > LONGEST_ROW_BYTES) return `is ${bytes.byteLength} bytes of JSON; at most ${LONGEST_ROW_BYTES} are allowed`;
  if (!isUtf8(bytes)) return 'is not UTF-8';
  const end = hasOriginals ? bytes.indexOf(0x01) : -1;
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8', 0, end < 0 ? bytes.length : end));
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? null : 'is no JSON object';
  } catch {
    return 'is no JSON';
  }
}

/** The column of a line's index in its block. */
const INDEX = '__ph_index';

async function columnFaults(
  scratch: Scratch,
  connection: SqlConnection,
  lines: readonly IndexedLine[],
  block: TableBlock,
  fields: readonly SchemaField[],
): Promise<readonly RowFault[]> {
  const numbered = Buffer.from(
    lines.map(({ index, bytes }) => `${JSON.stringify({ [INDEX]: index, line: bytes.toString('utf8') })}\n`).join(''),
  );
  return await scratch.withFile(numbered, async (file) => {
    const source = `(SELECT * FROM read_json(${literal(file)}, format = 'newline_delimited', maximum_object_size = ${2 * LONGEST_ROW_BYTES}, columns = {'${INDEX}': 'BIGINT', 'line': 'VARCHAR'}) WHERE json_valid(split_part(line, chr(1), 1)))`;
    const { relation, given } = typedLines(source, block, fields, INDEX);
    const checks = fields.map((field, at) => {
      const value = given(field);
      const inFolder = isPartitionText(block.partitionBy, field) ? folderRefusal(field.name, value) : 'NULL';
      return `CASE WHEN ${refusalCondition(field, value)} OR ${inFolder} IS NOT NULL THEN {'at': ${at}, 'value': left(${value}, ${SHOWN_CHARACTERS}), 'in_folder': ${inFolder}} END`;
    });
    const sql = `SELECT ${INDEX}, f.at, f.value, f.in_folder FROM (SELECT ${INDEX}, unnest(list_filter([${checks.join(', ')}], lambda x: x IS NOT NULL)) AS f FROM ${relation}) ORDER BY 1, 2`;
    try {
      return (await connection.rows(sql)).flatMap(([index, at, value, inFolder]) => {
        const field = fields[Number(at)];
        if (field === undefined) return [];
        const shown = typeof value === 'string' ? value : null;
        const reason = typeof inFolder === 'string' ? `${JSON.stringify(shown)}… ${inFolder}` : refusalReason(field, shown);
        return [{ index: Number(index), column: field.name, reason }];
      });
    } catch (error) {
      if (!mayBeOfRows(error)) throw error;
      return []; // one odd row spoils this statement; halving finds it, without the column
    }
  });
}

async function bisect(
  scratch: Scratch,
  connection: SqlConnection,
  lines: readonly IndexedLine[],
  whole: TableBlock,
  fields: readonly SchemaField[],
): Promise<readonly RowFault[]> {
  if (lines.length === 0) return [];
  const failure = await tryLines(scratch, connection, lines, whole, fields);
  if (failure === null) return [];
  const [only, ...others] = lines;
  if (only !== undefined && others.length === 0) {
    if (OUT_OF_MEMORY.test(failure.message) && only.bytes.byteLength < LONG_ROW_BYTES) throw failure;
    return [{ index: only.index, column: null, reason: reasonOf(failure) }];
  }
  const middle = lines.length >> 1;
  const left = await bisect(scratch, connection, lines.slice(0, middle), whole, fields);
  return [...left, ...(await bisect(scratch, connection, lines.slice(middle), whole, fields))];
}

function reasonOf({ message }: PipelineError): string {
  const [first = ''] = message.split('\n');
  return first.replace(/in file "[^"]*", /, '').slice(0, 200);
}

/** Null where the lines convert, else DuckDB's failure. Throws any that is not of the lines. */
async function tryLines(
  scratch: Scratch,
  connection: SqlConnection,
  lines: readonly IndexedLine[],
  whole: TableBlock,
  fields: readonly SchemaField[],
): Promise<PipelineError | null> {
  const newline = Buffer.from('\n');
  const ndjson = Buffer.concat(lines.flatMap(({ bytes }) => [bytes, newline]));
  const block: TableBlock = { ...whole, ndjson, rows: lines.length };
  return await scratch.withFile(ndjson, async (file) => {
    const source = typedRows(file, block, fields, false);
    const values = fields.map((field) => source.value(field)).join(', ');
    try {
      await connection.rows(`SELECT bit_xor(hash(${values})) FROM ${source.relation}`);
      return null;
    } catch (error) {
      if (!mayBeOfRows(error)) throw error;
      return error;
    }
  });
}
