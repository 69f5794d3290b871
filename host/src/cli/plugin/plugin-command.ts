import { relative, resolve } from 'node:path';
import { Command } from 'commander';
import { print } from '../text-table.ts';
import { createPlugin } from './plugin-template.ts';

/** `pipeline-host plugin` */
export function pluginCommand(): Command {
  const command = new Command('plugin')
    .summary('make a new plugin')
    .description('Makes the package of a new plugin, to be changed into yours.');
  command
    .command('create')
    .summary('make the package of a new plugin')
    .description(
      'Makes a package with everything that a plugin has: messages, a worker, a table, and tests of them that pass.\nNothing is installed.',
    )
    .argument('<name>', 'name of the plugin: lower case, digits and dashes')
    .option('--dir <folder>', 'where it is made; empty or not there yet (default: a folder of its name)')
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host plugin create greenhouse\n  $ cd greenhouse && npm install && npm test && npm run dev',
    )
    .action((name: string, { dir }: { readonly dir?: string }) => create(name, dir));
  return command;
}

async function create(name: string, dir = name): Promise<void> {
  const folder = resolve(dir);
  const files = await createPlugin(name, folder);
  const shown = relative(process.cwd(), folder) || '.';
  print(`${shown}: ${files.join(', ')}`);
  print(`next: cd ${shown} && npm install && npm test && npm run dev`);
}
