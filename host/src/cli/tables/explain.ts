import type { UpdateCondition } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { tableSpec } from '../../engine/tables/table-rows.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { openSession, type Session } from '../session.ts';
import { print, tableLines } from '../text-table.ts';
import { sourceWords } from './column-source-words.ts';
import { findTable, type PluginTable } from './plugin-tables.ts';

/** A table as its plugin defines it. */
interface ExplainedTable {
  readonly table: string;
  readonly plugin: string;
  readonly mode: 'append' | 'merge';
  /** Empty for an append table. */
  readonly key: readonly string[];
  readonly partitionBy: readonly string[];
  /** Whether the table is made with deletion vectors; one that exists keeps what it has. */
  readonly deletionVectors: boolean;
  /** When a merge updates a row that is there; null where always. */
  readonly updateWhen: string | null;
  readonly writers: readonly ExplainedWriter[];
  readonly columns: readonly ExplainedColumn[];
}
interface ExplainedWriter {
  readonly worker: string;
  readonly topic: string | null;
  readonly by: 'columns' | 'rows()';
}
interface ExplainedColumn {
  readonly name: string;
  readonly type: string;
  readonly nullable: boolean;
  /** Names under which a table that exists may have it. */
  readonly aliases: readonly string[];
  /** What a merge does with it; null in an append table. */
  readonly merge: string | null;
  /** By the name of the worker; null where the writer has no source for the column. */
  readonly sources: Readonly<Record<string, string | null>>;
}

/** `pipeline-host tables explain` */
export function explainCommand(): Command {
  return addCommonOptions(
    new Command('explain')
      .summary('tell where each column of a table comes from')
      .description(
        "Prints a table as its plugin defines it: columns with type, merge policy and source, the writer's topic, key and partitions.",
      )
      .argument('<name>', 'name of the table'),
  )
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host tables explain readings --plugin weather')
    .action(async (name: string, flags: CommandFlags & { readonly json: boolean }) => {
      const session = await openSession(flags);
      const explained = explain(session, findTable(session, name, `tables explain ${name}`));
      print(flags.json ? JSON.stringify(explained, null, 2) : explainedLines(explained).join('\n'));
    });
}

function explain({ topology }: Session, { plugin, table }: PluginTable): ExplainedTable {
  const { definition } = table;
  const { options } = definition;
  const { columns, partitionBy, deletionVectors = false } = tableSpec(definition);
  const key: readonly string[] = options.mode === 'merge' ? options.key : [];
  const policies = options.mode === 'merge' ? (options.columns ?? {}) : null;
  const writers = topology.workers.filter((worker) => worker.tables.some((written) => written.definition === definition));
  const mergeOf = (name: string): string | null => {
    if (policies === null) return null;
    return key.includes(name) ? 'key' : ((Object.hasOwn(policies, name) ? policies[name] : undefined) ?? 'keepOldWhenNull');
  };
  return {
    table: table.name,
    plugin,
    mode: options.mode,
    key,
    partitionBy,
    deletionVectors,
    updateWhen: options.mode === 'merge' && options.updateWhen !== undefined ? conditionWords(options.updateWhen) : null,
    writers: writers.map((worker) => ({
      worker: worker.id,
      topic: worker.consumes?.topic ?? null,
      by: columnsOf(worker) === undefined ? 'rows()' : 'columns',
    })),
    columns: columns.map(({ name, type, nullable, aliases = [] }) => ({
      name,
      type,
      nullable,
      aliases,
      merge: mergeOf(name),
      sources: Object.fromEntries(writers.map((worker) => [worker.id, sourceOf(worker, name)])),
    })),
  };
}

function conditionWords(condition: UpdateCondition): string {
  if ('newer' in condition) return `${condition.newer} is newer than what is stored`;
  if ('notOlder' in condition) return `${condition.notOlder} is not older than what is stored`;
  if ('differs' in condition) return `${condition.differs.join(' or ')} differs from what is stored, or is null there`;
  return `${condition.distinct.join(' or ')} is distinct from what is stored`;
}

function columnsOf({ definition }: ResolvedWorker) {
  return 'columns' in definition ? definition.columns : undefined;
}

function sourceOf(worker: ResolvedWorker, column: string): string | null {
  const columns = columnsOf(worker);
  if (columns === undefined) return `${worker.name} by rows()`;
  const source = columns[column];
  return source === undefined ? null : sourceWords(source.expression);
}

function explainedLines(explained: ExplainedTable): readonly string[] {
  const { table, plugin, mode, key, partitionBy, deletionVectors, updateWhen, writers, columns } = explained;
  const lines = [`table      ${table}  (plugin ${plugin}, ${mode}${key.length > 0 ? ` on ${key.join(', ')}` : ''})`];
  if (partitionBy.length > 0) lines.push(`partition  ${partitionBy.join(', ')}`);
  lines.push(`vectors    ${deletionVectors ? 'a merge marks replaced rows by deletion vectors' : 'no deletion vectors'}`);
  if (updateWhen !== null) lines.push(`updates    where ${updateWhen}`);
  for (const { worker, topic, by } of writers) lines.push(`writer     ${worker} by ${by}${topic === null ? '' : `, from topic ${topic}`}`);
  if (writers.length === 0) lines.push('writer     none of the plugins that are loaded');
  const header = ['COLUMN', 'TYPE', 'NULL', ...(mode === 'merge' ? ['MERGE'] : []), 'FROM'];
  const rows = columns.map(({ name, type, nullable, aliases, merge, sources }) => [
    [name, ...aliases].join(' or '),
    type,
    nullable ? 'yes' : 'no',
    ...(merge === null ? [] : [merge]),
    fromText(Object.entries(sources)),
  ]);
  return [...lines, '', ...tableLines(header, rows)];
}

/** The source; where several workers write the table, with their names. */
function fromText(sources: readonly (readonly [worker: string, source: string | null])[]): string {
  const [only, ...others] = sources;
  if (only === undefined) return '-';
  if (others.length === 0) return only[1] ?? '- (never written)';
  return sources.map(([worker, source]) => `${worker}: ${source ?? '-'}`).join('; ');
}
