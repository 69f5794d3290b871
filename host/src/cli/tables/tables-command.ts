import { isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { didYouMean } from '../../config/did-you-mean.ts';
import { DeltaTable, type TableSummary } from '../../delta/index.ts';
import { storageUris } from '../../engine/host-services.ts';
import { openStore } from '../../storage/index.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { openSession, type Session } from '../session.ts';
import { print, printList, tableLines } from '../text-table.ts';
import { checkpointCommand } from './checkpoint.ts';
import { withDeltaEngine } from './delta-session.ts';
import { explainCommand } from './explain.ts';
import { historyCommand } from './history.ts';
import { optimizeCommand } from './optimize.ts';
import { findTable, type PluginTable, tablesOf } from './plugin-tables.ts';
import { readCommand } from './read.ts';
import { rebaseCommand } from './rebase.ts';
import { upgradeCommand } from './upgrade.ts';
import { vacuumCommand } from './vacuum.ts';
import { verifyCommand } from './verify.ts';

interface ListedTable {
  readonly table: string;
  readonly plugin: string;
  readonly mode: 'append' | 'merge';
  readonly uri: string;
  /** Null where the table is not there yet. */
  readonly version: number | null;
  readonly rows: number | null;
  readonly files: number | null;
  readonly bytes: number | null;
}

type TableFlags = CommandFlags & { readonly json: boolean };

/** `pipeline-host tables` */
export function tablesCommand(): Command {
  const command = addCommonOptions(
    new Command('tables')
      .summary('list the Delta tables of plugins, show one, maintain one')
      .description(
        'Lists the Delta tables of the plugins with their version, rows and files. "tables show NAME" prints one with its schema, "tables read NAME" its rows.',
      ),
  )
    .addOption(jsonOption())
    .argument('[command]')
    .allowExcessArguments(true)
    .addHelpText('after', '\nExamples:\n  $ pipeline-host tables\n  $ pipeline-host tables show readings --plugin weather --json')
    .action(async (given: string | undefined, flags: TableFlags) => {
      if (given !== undefined && given !== 'list') {
        throw new PipelineError('PH_CLI_ARGUMENT', `unknown command "tables ${given}"`, {
          place: 'command line',
          hint: didYouMean(given, ['list', ...command.commands.map((below) => below.name())], `write "tables show ${given}"`),
        });
      }
      const [, excess] = command.args;
      if (excess !== undefined)
        throw new PipelineError('PH_CLI_ARGUMENT', `tables list takes no argument "${excess}"`, {
          place: 'command line',
          hint: `write "tables show ${excess}"`,
        });
      await listTables(flags);
    });
  addCommonOptions(
    command
      .command('show')
      .summary('show one table')
      .description('Prints schema, version, rows, files and the offsets that are in a table.')
      .argument('<name>', 'name of the table'),
  )
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host tables show readings')
    .action((name: string, flags: TableFlags) => showTable(name, flags));
  for (const below of [
    explainCommand(),
    readCommand(),
    historyCommand(),
    verifyCommand(),
    optimizeCommand(),
    vacuumCommand(),
    checkpointCommand(),
    upgradeCommand(),
    rebaseCommand(),
  ])
    command.addCommand(below);
  return command;
}

async function listTables(flags: TableFlags): Promise<void> {
  const session = await openSession(flags);
  const listed = await withTables(session, async (open, uriOf) => {
    const found: ListedTable[] = [];
    for (const { plugin, table } of tablesOf(session)) {
      const opened = await open(table.name);
      const { summary = null, rows = null } = opened ?? {};
      found.push({
        table: table.name,
        plugin,
        mode: table.definition.options.mode,
        uri: uriOf(table.name),
        version: summary?.version ?? null,
        rows,
        files: summary?.files ?? null,
        bytes: summary?.bytes ?? null,
      });
    }
    return found;
  });
  printList(listed, {
    json: flags.json,
    empty: 'the plugins have no tables',
    header: ['TABLE', 'PLUGIN', 'MODE', 'VERSION', 'ROWS', 'FILES', 'BYTES', 'WHERE'],
    row: ({ table, plugin, mode, version, rows, files, bytes, uri }) => [
      table,
      plugin,
      mode,
      version ?? '-',
      rows ?? '-',
      files ?? '-',
      bytes ?? '-',
      version === null ? `${uri} (not there yet)` : uri,
    ],
  });
}

async function showTable(name: string, flags: TableFlags): Promise<void> {
  const session = await openSession(flags);
  const found = findTable(session, name, `tables show ${name}`);
  await withTables(session, async (open, uriOf) => {
    const opened = await open(found.table.name);
    const uri = uriOf(found.table.name);
    if (opened === null)
      throw new PipelineError('PH_DELTA_ABSENT', `table ${found.table.name} is not there yet`, {
        place: uri,
        hint: 'it is created when its writer writes first',
      });
    const { summary, rows } = opened;
    if (flags.json) return print(JSON.stringify({ table: found.table.name, plugin: found.plugin, uri, ...summary, rows }, null, 2));
    printSummary(found, uri, summary, rows);
  });
}

function printSummary({ plugin, table }: PluginTable, uri: string, summary: TableSummary, rows: number): void {
  const { options } = table.definition;
  print(`table      ${table.name}  (plugin ${plugin}, ${options.mode}${options.mode === 'merge' ? ` on ${options.key.join(', ')}` : ''})`);
  print(`where      ${uri}`);
  print(`version    ${summary.version}`);
  print(`rows       ${rows.toLocaleString('en-US')}`);
  print(`files      ${summary.files.toLocaleString('en-US')}, ${summary.bytes.toLocaleString('en-US')} bytes`);
  if (summary.partitionBy.length > 0) print(`partition  ${summary.partitionBy.join(', ')}`);
  print('');
  print(
    tableLines(
      ['COLUMN', 'TYPE', 'NULL'],
      summary.schema.map(({ name, type, nullable }) => [
        name,
        typeof type === 'string' ? type : JSON.stringify(type),
        nullable ? 'yes' : 'no',
      ]),
    ).join('\n'),
  );
  if (summary.txns.length === 0) return;
  print('');
  print(
    tableLines(
      ['WRITER', 'LAST OFFSET'],
      [...summary.txns].sort((a, b) => (a.appId < b.appId ? -1 : 1)).map(({ appId, version }) => [appId, String(version)]),
    ).join('\n'),
  );
}

type OpenTable = (name: string) => Promise<{ readonly summary: TableSummary; readonly rows: number } | null>;

/** Opens tables to read them: nothing is created. */
async function withTables<T>(
  { config: { config } }: Session,
  use: (open: OpenTable, uriOf: (name: string) => string) => Promise<T>,
): Promise<T> {
  const store = openStore(storageUris(config).tables);
  return await withDeltaEngine(config.delta, (engine) =>
    use(
      async (name) => {
        let table: DeltaTable;
        try {
          table = await DeltaTable.open(engine, store, name);
        } catch (error) {
          if (isPipelineError(error) && error.code === 'PH_DELTA_ABSENT') return null;
          throw error;
        }
        const summary = table.summary();
        const rows = summary.rows ?? (await table.count());
        await table.close();
        return { summary, rows };
      },
      (name) => store.local?.path(name) ?? `${store.uri}/${name}`,
    ),
  );
}
