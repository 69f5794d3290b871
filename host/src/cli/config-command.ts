import { Command } from 'commander';
import { configJsonSchema } from '../config/json-schema.ts';
import type { ExplainedSetting } from '../config/load.ts';
import { explainWorkers } from '../plugins/explain-workers.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from './command-options.ts';
import { counted } from './counted.ts';
import { openConfig, openSession } from './session.ts';
import { print, printList } from './text-table.ts';

type ExplainFlags = CommandFlags & { readonly all: boolean; readonly json: boolean };

/** `pipeline-host config` */
export function configCommand(): Command {
  const command = new Command('config')
    .summary('explain, check or describe the config')
    .description('Shows where each setting comes from, checks the config, or prints its JSON Schema for editors.');
  const onlyNamed = 'also the settings of this plugin; several by comma';
  addCommonOptions(
    command
      .command('explain')
      .summary('show each setting and where it comes from')
      .description('Shows the settings with their origin: flag, environment, file or default. Secrets are hidden.'),
    onlyNamed,
  )
    .option('-a, --all', 'also settings that have their default', false)
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host config explain\n  $ pipeline-host config explain --plugin weather --all')
    .action((flags: ExplainFlags) => explain(flags));
  addCommonOptions(
    command
      .command('schema')
      .summary('print the JSON Schema of the config file')
      .description('Prints the JSON Schema (draft 07) of the config file, with the settings of the named plugins in it.'),
    onlyNamed,
  )
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host config schema --plugin weather > schema.json\n\nThen put this at the top of a YAML config:\n  # yaml-language-server: $schema=./schema.json',
    )
    .action((flags: CommandFlags) => schema(flags));
  addCommonOptions(
    command
      .command('check')
      .summary('check the config and the plugins')
      .description('Checks the config, the plugins and their topology without connecting anywhere; lists all faults at once.'),
  )
    .addHelpText('after', '\nExamples:\n  $ pipeline-host config check --config host.yaml')
    .action((flags: CommandFlags) => check(flags));
  return command;
}

async function explain(flags: ExplainFlags): Promise<void> {
  printList<ExplainedSetting>(await explained(flags), {
    json: flags.json,
    empty: 'nothing is set; --all shows the defaults',
    header: ['SETTING', 'VALUE', 'ORIGIN'],
    row: ({ path, value, origin }) => [path, typeof value === 'string' ? value : JSON.stringify(value), origin],
  });
}

async function explained(flags: ExplainFlags): Promise<readonly ExplainedSetting[]> {
  if (flags.plugin === undefined) return (await openConfig(flags)).explain({ all: flags.all });
  const { config, topology } = await openSession(flags);
  const settings = config.explain({ all: flags.all });
  if (!flags.all) return settings;
  return [...settings, ...explainWorkers(topology, settings)].sort((a, b) => (a.path < b.path ? -1 : 1));
}

async function schema(flags: CommandFlags): Promise<void> {
  if (flags.plugin === undefined) return print(JSON.stringify(configJsonSchema([]), null, 2));
  const { topology } = await openSession(flags);
  print(JSON.stringify(configJsonSchema(topology.plugins.map(({ definition }) => definition)), null, 2));
}

async function check(flags: CommandFlags): Promise<void> {
  const { config, topology } = await openSession(flags);
  for (const warning of config.warnings) process.stderr.write(`*** ${warning} ***\n`);
  print(
    `${config.file ?? 'no config file'}: ok, ${counted(topology.plugins.length, 'plugin')}, ${counted(topology.workers.length, 'worker')}`,
  );
}
