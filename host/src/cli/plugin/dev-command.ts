import { join, relative } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { createLogger } from '../../observability/logger.ts';
import { findPlugins } from '../../plugins/find-plugin.ts';
import { pluginSearch } from '../../plugins/load-plugins.ts';
import type { PluginPackage } from '../../plugins/manifest.ts';
import { entryFile } from '../../plugins/package-entry.ts';
import { addCommonOptions, type CommandFlags, collectNames, wholeNumber } from '../command-options.ts';
import { openEmbedded } from '../embedded-broker.ts';
import { openConfig } from '../session.ts';
import { listenForStop, stopInTime } from '../stop-signals.ts';
import { print } from '../text-table.ts';
import { CONDITIONS, DevRuns } from './dev-runs.ts';
import { watchSources } from './source-watch.ts';

interface DevFlags extends CommandFlags {
  readonly worker?: readonly string[];
  readonly port?: number;
}

/** `pipeline-host dev` */
export function devCommand(): Command {
  return addCommonOptions(
    new Command('dev')
      .summary('run a plugin, and again after each change of it')
      .description(
        'Runs the workers of a plugin and watches its sources. After a change the plugin is checked in a process of its own;\nwhere it is sound, what is in work is finished and committed, and the new version goes on from there. Where it is\nbroken, the running version goes on, and what is wrong is said. Packages are resolved under the condition "development".',
      ),
    'plugin to run: a folder, a name or a package; several by comma',
  )
    .option('-w, --worker <worker>', 'worker to run; several by comma (default: all of the plugins)', collectNames)
    .option('--port <number>', 'port of health and metrics, 0 for a free one (config: http.port)', wholeNumber(0, 65_535))
    .addHelpText('after', '\nExamples:\n  $ pipeline-host dev --plugin .\n  $ pipeline-host dev --plugin ./greenhouse --worker checker')
    .action((flags: DevFlags) => dev(flags));
}

async function dev(flags: DevFlags): Promise<void> {
  if (flags.plugin === undefined) {
    throw new PipelineError('PH_CLI_ARGUMENT', '--plugin is missing', { place: 'command line', hint: 'say which: --plugin .' });
  }
  const cwd = process.cwd();
  using stop = listenForStop();
  const loaded = await openConfig(flags);
  const { config } = loaded;
  const plugins = findPlugins(flags.plugin, pluginSearch(loaded, cwd));
  const log = createLogger({ level: config.log.level, pretty: process.stderr.isTTY });
  // It outlives the runs: each finds it where it was.
  const broker =
    config.kafka.brokers === 'embedded'
      ? await openEmbedded({
          ...config.kafka.embedded,
          dataDir: join(config.dataDir, 'broker'),
          log: (level, message, fields) => log[level]({ ...fields }, message),
        })
      : null;
  const args = ['--plugin', flags.plugin.join(), ...option('--config', flags.config), ...option('--data', flags.data)];
  const runs = new DevRuns({
    args,
    runArgs: [...option('--worker', flags.worker?.join()), ...option('--port', flags.port)],
    cwd,
    say: (line) => print(`dev    ${line}`),
    show: (text) => process.stdout.write(text),
  });
  await using stack = new AsyncDisposableStack();
  stack.defer(() =>
    stopInTime(async () => {
      await runs.stop();
      await broker?.close();
    }),
  );
  for (const plugin of plugins) {
    const { root } = plugin;
    const shown = relative(cwd, root) || '.';
    const except = [config.dataDir, ...unusedBuild(plugin)];
    stack.use(watchSources({ folder: root, except, onChange: (file) => runs.changed(shown === '.' ? file : join(shown, file)) }));
    print(`dev    watching ${shown}`);
  }
  await Promise.race([runs.start(), stop.asked]);
  await stop.asked;
}

/** Where the sources are run, what is built of them meanwhile is no change. */
function unusedBuild(plugin: PluginPackage): readonly string[] {
  const built = join(plugin.root, 'dist');
  try {
    return relative(built, entryFile(plugin, CONDITIONS)).startsWith('..') ? [built] : [];
  } catch {
    // No entry, or not yet: the run says so, and a build mends it.
    return [];
  }
}

function option(name: string, value: string | number | undefined): readonly string[] {
  return value === undefined ? [] : [name, String(value)];
}
