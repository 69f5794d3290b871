import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { PipelineError } from '@pipeline-host/sdk';
import { Command, Option } from 'commander';
import { didYouMean } from '../../config/did-you-mean.ts';
import { list } from '../../config/schema-faults.ts';
import { DeltaTable, type ReadOptions } from '../../delta/index.ts';
import { addCommonOptions, type CommandFlags, collectNames, wholeNumber } from '../command-options.ts';
import { withDeltaEngine } from './delta-session.ts';
import { findTablePlace } from './table-place.ts';

type ReadFlags = CommandFlags & {
  readonly version?: number;
  readonly columns?: readonly string[];
  readonly limit?: number;
  readonly format: 'ndjson' | 'parquet';
  readonly out?: string;
};

const EXAMPLES = `
Values are exact: 64-bit whole numbers and decimals are text, timestamps ISO text with microseconds, binary is base64,
NaN, Infinity, -Infinity and -0.0 are text, structs, arrays and maps are JSON. Rows come without an order.

Examples:
  $ pipeline-host tables read readings --columns sensor,celsius --limit 10
  $ pipeline-host tables read readings --version 12 --format parquet --out readings.parquet
  $ pipeline-host tables read ./lake/orders | jq .total`;

/** `pipeline-host tables read` */
export function readCommand(): Command {
  return addCommonOptions(
    new Command('read')
      .summary('print the rows of a table')
      .description('Prints the rows of a table of the plugins, or of any folder that holds a Delta table.')
      .argument('<table>', 'name of a table, or a folder (with a / in it)'),
  )
    .option('--version <number>', 'the table as it was at this version', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .option('--columns <names>', 'only these columns, in this order', collectNames)
    .option('--limit <rows>', 'at most so many rows', wholeNumber(0, Number.MAX_SAFE_INTEGER))
    .addOption(
      new Option('--format <format>', 'one JSON object a line, or a Parquet file').choices(['ndjson', 'parquet']).default('ndjson'),
    )
    .option('--out <file>', 'write into this file, over one that is there (default: standard output)')
    .addHelpText('after', EXAMPLES)
    .action((table: string, flags: ReadFlags) => readTable(table, flags));
}

async function readTable(name: string, flags: ReadFlags): Promise<void> {
  const { format, out, version, columns, limit } = flags;
  if (format === 'parquet' && out === undefined)
    throw new PipelineError('PH_CLI_ARGUMENT', 'a Parquet file is not written to standard output', {
      place: '--format parquet',
      hint: 'name a file: --out <file>',
    });
  const { store, path, engine: options } = await findTablePlace(name, flags, 'read');
  await withDeltaEngine(options, async (engine) => {
    const table =
      version === undefined ? await DeltaTable.open(engine, store, path) : await DeltaTable.openVersion(engine, store, path, version);
    checkColumns(table, columns);
    const read: ReadOptions = { ...(columns !== undefined && { columns }), ...(limit !== undefined && { limit }) };
    if (out === undefined) await writeLines(table, read, process.stdout);
    else await replaceFile(out, (file) => (format === 'parquet' ? table.writeParquet(read, file) : writeLinesInto(table, read, file)));
    await table.close();
  });
}

function checkColumns(table: DeltaTable, columns: readonly string[] = []): void {
  const known = table.columns.map((column) => column.name);
  const strange = columns.find((column) => !known.includes(column));
  if (strange === undefined) return;
  throw new PipelineError('PH_CLI_ARGUMENT', `the table has no column "${strange}" at version ${table.version}`, {
    place: '--columns',
    hint: didYouMean(strange, known, `the columns are ${list(known)}`),
  });
}

/** Writes beside the file and renames, so that a read that fails leaves the file as it was. */
async function replaceFile(file: string, write: (partial: string) => Promise<void>): Promise<void> {
  const partial = `${file}.${process.pid}.partial`;
  try {
    await write(partial);
    await rename(partial, file);
  } catch (error) {
    await rm(partial, { force: true });
    throw error;
  }
}

async function writeLinesInto(table: DeltaTable, read: ReadOptions, file: string): Promise<void> {
  const stream = createWriteStream(file);
  const written = finished(stream);
  written.catch(() => {}); // awaited below; a failure while rows are read must not be an unhandled one
  await once(stream, 'open');
  await writeLines(table, read, stream);
  stream.end();
  await written;
}

/** A page is read when the one before it has been taken. */
async function writeLines(table: DeltaTable, read: ReadOptions, stream: Writable): Promise<void> {
  await table.readPages(read, async (rows) => {
    const lines = rows.map((row) => `${JSON.stringify(row)}\n`).join('');
    if (!stream.write(lines)) await once(stream, 'drain');
  });
}
