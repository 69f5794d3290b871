import { Command } from 'commander';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { counted } from '../counted.ts';
import { print } from '../text-table.ts';
import { withTable } from './table-place.ts';

type OptimizeFlags = CommandFlags & { readonly json: boolean; readonly dryRun: boolean };

/** `pipeline-host tables optimize NAME` */
export function optimizeCommand(): Command {
  return addCommonOptions(
    new Command('optimize')
      .summary('put the small files of a table together')
      .description(
        'Writes the rows of small files (below 8 MB), and of files with more than 20 % deleted rows, into files of up to delta.targetFileSize (64 MB). Writers may go on.',
      )
      .argument('<table>', 'name of a table, or its folder'),
  )
    .option('--dry-run', 'only say what would be done', false)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host tables optimize readings\n  $ pipeline-host tables optimize /data/tables/readings --dry-run',
    )
    .action((name: string, flags: OptimizeFlags) => optimize(name, flags));
}

async function optimize(given: string, flags: OptimizeFlags): Promise<void> {
  await withTable('optimize', given, flags, async ({ table, name, uri }) => {
    if (flags.dryRun) {
      const plan = table.planOptimize();
      if (flags.json) return print(JSON.stringify({ table: name, uri, dryRun: true, ...plan }, null, 2));
      return print(
        plan.files === 0
          ? `${name}: nothing to do`
          : `${name}: would write ${counted(plan.files, 'file')} (${counted(plan.bytes, 'byte')}) into ${plan.newFiles}`,
      );
    }
    const done = await table.optimize();
    if (flags.json) return print(JSON.stringify({ table: name, uri, dryRun: false, ...done }, null, 2));
    print(
      done.commits === 0
        ? `${name}: nothing to do`
        : `${name}: ${counted(done.filesRemoved, 'file')} (${counted(done.bytesRemoved, 'byte')}) are ${done.filesAdded} now (${counted(done.bytesAdded, 'byte')}), ${counted(done.vectorsPurged, 'deletion vector')} purged, version ${done.version}`,
    );
  });
}
