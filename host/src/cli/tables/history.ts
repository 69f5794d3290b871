import { Command } from 'commander';
import { type HistoryEntry, readHistory } from '../../delta/index.ts';
import { addCommonOptions, type CommandFlags, jsonOption, wholeNumber } from '../command-options.ts';
import { printList } from '../text-table.ts';
import { findTablePlace } from './table-place.ts';

type HistoryFlags = CommandFlags & { readonly limit: number; readonly json: boolean };

/** `pipeline-host tables history` */
export function historyCommand(): Command {
  return addCommonOptions(
    new Command('history')
      .summary('list the versions of a table')
      .description('Lists the versions that the log of a table still holds, the newest first: when, what, how much, who.')
      .argument('<table>', 'name of a table, or a folder (with a / in it)'),
  )
    .option('--limit <versions>', 'at most so many versions', wholeNumber(1, Number.MAX_SAFE_INTEGER), 20)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host tables history readings --limit 5\n  $ pipeline-host tables history ./lake/orders --json',
    )
    .action((table: string, flags: HistoryFlags) => listHistory(table, flags));
}

async function listHistory(name: string, { limit, json, ...flags }: HistoryFlags): Promise<void> {
  const { store, path } = await findTablePlace(name, flags, 'history');
  printList(await readHistory(store, path, limit), {
    json,
    empty: 'the log holds checkpoints alone, all commits were cleaned up',
    header: ['VERSION', 'TIME', 'OPERATION', 'METRICS', 'WHO'],
    row: historyRow,
  });
}

function historyRow({ version, commit }: HistoryEntry): readonly (string | number)[] {
  const { timestamp, operation = '-', operationMetrics = {}, userName, engineInfo } = commit ?? {};
  const metrics = Object.entries(operationMetrics).map(([metric, value]) => `${metric}=${value}`);
  const who = [userName, engineInfo].filter((part) => part !== undefined);
  return [version, timeText(timestamp), operation, metrics.join(' ') || '-', who.join(', ') || '-'];
}

function timeText(timestamp: number | undefined): string {
  const time = new Date(timestamp ?? Number.NaN);
  return Number.isNaN(time.getTime()) ? '-' : time.toISOString();
}
