import { Command } from 'commander';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { counted } from '../counted.ts';
import { print } from '../text-table.ts';
import { withTable } from './table-place.ts';

type CheckpointFlags = CommandFlags & { readonly json: boolean; readonly dryRun: boolean };

/** `pipeline-host tables checkpoint NAME` */
export function checkpointCommand(): Command {
  return addCommonOptions(
    new Command('checkpoint')
      .summary('write a checkpoint of a table, and delete expired versions of its log')
      .description(
        'Writes a checkpoint of the newest version. Then versions that are older than delta.logRetentionDuration (30 days) are deleted, as far as an old checkpoint stands for them and delta.enableExpiredLogCleanup is not false.',
      )
      .argument('<table>', 'name of a table, or its folder'),
  )
    .option('--dry-run', 'only say what would be done', false)
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host tables checkpoint readings')
    .action((name: string, flags: CheckpointFlags) => checkpoint(name, flags));
}

async function checkpoint(given: string, flags: CheckpointFlags): Promise<void> {
  const { dryRun, json } = flags;
  await withTable('checkpoint', given, flags, async ({ table, name, uri }) => {
    const version = dryRun ? table.version : (await table.checkpoint()).version;
    const { files, oldestVersion } = await table.cleanLog({ dryRun });
    if (json) return print(JSON.stringify({ table: name, uri, dryRun, version, files, oldestVersion }, null, 2));
    print(`${name}: ${dryRun ? 'would write a' : 'wrote the'} checkpoint of version ${version}`);
    if (oldestVersion === null) return;
    const expired = counted(files.length, 'file');
    print(`${name}: ${expired} of the log ${dryRun ? 'would be deleted' : 'deleted'}, version ${oldestVersion} is the oldest that is left`);
  });
}
