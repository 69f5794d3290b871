import { isPipelineError, milliseconds } from '@pipeline-host/sdk';
import { Command, InvalidArgumentError } from 'commander';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { counted } from '../counted.ts';
import { print } from '../text-table.ts';
import { withTable } from './table-place.ts';

type VacuumFlags = CommandFlags & {
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly retention?: number;
  readonly allowShortRetention: boolean;
};

/** `pipeline-host tables vacuum NAME` */
export function vacuumCommand(): Command {
  return addCommonOptions(
    new Command('vacuum')
      .summary('delete files that a table does not need any more')
      .description(
        'Deletes data files and deletion vectors that neither the table nor a version within the retention names. The retention is delta.deletedFileRetentionDuration of the table, else 7 days.',
      )
      .argument('<table>', 'name of a table, or its folder'),
  )
    .option('--dry-run', 'only list what would be deleted', false)
    .option('--retention <duration>', 'keep what was removed or written since, such as 240h or 30d', retention)
    .option('--allow-short-retention', "take a retention below the table's: nobody may be reading old versions or writing", false)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host tables vacuum readings --dry-run\n  $ pipeline-host tables vacuum readings --retention 30d',
    )
    .action((name: string, flags: VacuumFlags) => vacuum(name, flags));
}

async function vacuum(given: string, flags: VacuumFlags): Promise<void> {
  await withTable('vacuum', given, flags, async ({ table, name, uri }) => {
    const { dryRun, allowShortRetention } = flags;
    const done = await table.vacuum({ dryRun, allowShortRetention, ...(flags.retention !== undefined && { retention: flags.retention }) });
    // JSON has no infinity: the table keeps its files for ever.
    const kept = Number.isFinite(done.retention) ? done.retention : null;
    if (flags.json) return print(JSON.stringify({ table: name, uri, ...done, retention: kept }, null, 2));
    if (dryRun) for (const file of done.files) print(file);
    const files = counted(done.files.length, 'file');
    print(`${name}: ${files} (${counted(done.bytes, 'byte')}) ${dryRun ? 'would be deleted' : 'deleted'}`);
  });
}

function retention(text: string): number {
  try {
    return milliseconds(text);
  } catch (error) {
    if (!isPipelineError(error)) throw error;
    throw new InvalidArgumentError('A duration such as 12h or 30d is meant.');
  }
}
