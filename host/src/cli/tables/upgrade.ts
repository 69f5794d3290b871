import { PipelineError, type TableDefinition } from '@pipeline-host/sdk';
import { Command } from 'commander';
import type { Protocol, ProtocolUpgrade } from '../../delta/index.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { print, tableLines } from '../text-table.ts';
import { withTable } from './table-place.ts';
import { VECTOR_ENGINES } from './vector-engines.ts';

type UpgradeFlags = CommandFlags & { readonly json: boolean; readonly dryRun: boolean; readonly yes: boolean };

/** `pipeline-host tables upgrade NAME` */
export function upgradeCommand(): Command {
  return addCommonOptions(
    new Command('upgrade')
      .summary('let merges of a table mark replaced rows by deletion vectors')
      .description(
        'Raises the Delta protocol of a merge table that exists, so that a merge marks replaced rows instead of writing their files anew. Lists what is turned on and who can no longer read the table. There is no way back.',
      )
      .argument('<table>', 'name of a table, or its folder'),
  )
    .option('--dry-run', 'only say what would be done', false)
    .option('--yes', 'do it: whoever reads the table was asked', false)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host tables upgrade readings --dry-run\n  $ pipeline-host tables upgrade readings --yes',
    )
    .action((name: string, flags: UpgradeFlags) => upgrade(name, flags));
}

async function upgrade(given: string, flags: UpgradeFlags): Promise<void> {
  await withTable('upgrade', given, flags, async ({ table, name, uri, definition }) => {
    const refusal = definition === null ? null : whyNot(definition);
    const planned = refusal === null ? table.planUpgrade() : null;
    const isDone = planned !== null && flags.yes && !flags.dryRun;
    const upgraded = isDone ? await table.upgrade() : planned;
    if (flags.json)
      print(
        JSON.stringify({ table: name, uri, done: isDone, version: table.version, upgrade: upgraded, engines: VECTOR_ENGINES }, null, 2),
      );
    else if (upgraded === null) print(`${name}: nothing to do, ${refusal ?? 'it has deletion vectors'}`);
    else print([...upgradeLines(name, upgraded), ...(isDone ? ['', `${name}: done in version ${table.version}`] : [])].join('\n'));
    if (planned !== null && !isDone && !flags.dryRun)
      throw new PipelineError('PH_CLI_ARGUMENT', `tables upgrade ${given} was not told --yes, and changed nothing`, {
        place: uri,
        hint: 'see that nobody is listed whom the table needs, then say --yes',
      });
  });
}

/** Why its writer has no use for deletion vectors. */
function whyNot({ options }: TableDefinition): string | null {
  if (options.mode === 'append') return 'its rows are only appended';
  return options.deletionVectors === false ? 'its definition says deletionVectors: false' : null;
}

function upgradeLines(name: string, { from, to, readerFeatures, writerFeatures, properties }: ProtocolUpgrade): readonly string[] {
  const turnedOn = [
    ...readerFeatures.map((feature) => `${feature} (readers and writers)`),
    ...writerFeatures.filter((feature) => !readerFeatures.includes(feature)).map((feature) => `${feature} (writers)`),
  ];
  return [
    `table      ${name}`,
    `protocol   ${versionsText(from)}, then ${versionsText(to)}`,
    `turns on   ${turnedOn.length === 0 ? 'no further feature' : turnedOn.join(', ')}`,
    `sets       ${Object.entries(properties)
      .map(([property, value]) => `${property} = ${value}`)
      .join(', ')}`,
    '',
    ...tableLines(
      ['ENGINE', 'READS IT THEN', 'WRITES IT THEN'],
      VECTOR_ENGINES.map(({ engine, reads, writes }) => [engine, reads, writes]),
    ),
  ];
}

function versionsText({ minReaderVersion, minWriterVersion }: Protocol): string {
  return `reader version ${minReaderVersion} and writer version ${minWriterVersion}`;
}
