import { isPipelineError, type PipelineError, type PluginDefinition } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { discoverPlugins } from '../../plugins/discover-plugins.ts';
import { findPlugin } from '../../plugins/find-plugin.ts';
import { inspectPlugin, pluginSearch } from '../../plugins/load-plugins.ts';
import type { PluginPackage } from '../../plugins/manifest.ts';
import { type CommandFlags, jsonOption } from '../command-options.ts';
import { failureText } from '../print-failure.ts';
import { openConfig } from '../session.ts';
import { printList } from '../text-table.ts';

interface ListedPlugin {
  readonly plugin: string;
  readonly package: string;
  readonly version: string;
  readonly sdk: string;
  readonly folder: string;
  readonly workers: readonly string[];
  readonly topics: readonly string[];
  readonly tables: readonly string[];
  readonly simulation: boolean;
  /** Why it cannot run; null where it can. */
  readonly fault: { readonly code: string; readonly message: string; readonly hint: string } | null;
}

/** `pipeline-host plugins` */
export function pluginsCommand(): Command {
  return new Command('plugins')
    .summary('list the plugins that are installed or configured')
    .description(
      'Lists the plugins of the config and the installed packages that are called @pipeline-host/plugin-*, pipeline-host-plugin-*\nor @scope/pipeline-host-plugin-* and have "pipelineHost" in their package.json.',
    )
    .option('-c, --config <file>', 'config file')
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host plugins\n  $ pipeline-host plugins --json | jq -r ".[].workers[]"')
    .action((flags: CommandFlags & { readonly json: boolean }) => plugins(flags));
}

async function plugins(flags: CommandFlags & { readonly json: boolean }): Promise<void> {
  const cwd = process.cwd();
  const config = await openConfig(flags);
  const search = pluginSearch(config, cwd);
  const found = new Map(discoverPlugins(cwd).map((plugin) => [plugin.root, plugin]));
  const absent: ListedPlugin[] = [];
  for (const name of Object.keys(config.config.plugins)) {
    try {
      const plugin = findPlugin(name, search);
      found.set(plugin.root, plugin);
    } catch (error) {
      if (!isPipelineError(error)) throw error;
      absent.push(listed(null, name, error));
    }
  }
  const present = await Promise.all(
    [...found.values()].map(async (plugin) => listed(plugin, plugin.manifest.plugin, await inspectPlugin(plugin))),
  );
  const all = [...present, ...absent].sort((a, b) => (a.plugin < b.plugin ? -1 : 1));
  printList(all, {
    json: flags.json,
    empty: 'no plugin is installed here; a folder can be run as it is: pipeline-host --plugin ./folder',
    header: ['PLUGIN', 'PACKAGE', 'VERSION', 'SDK', 'WORKERS', 'TOPICS', 'TABLES'],
    row: ({ fault, ...plugin }) => [
      plugin.plugin,
      plugin.package,
      plugin.version,
      plugin.sdk,
      ...(fault === null
        ? [plugin.workers.join(' '), plugin.topics.join(' '), plugin.tables.join(' ')]
        : [`failed: ${fault.code}`, '', '']),
    ],
  });
  if (flags.json) return;
  for (const { fault, plugin } of all)
    if (fault !== null) process.stderr.write(`${plugin}: ${fault.code}: ${fault.message}\n  fix: ${fault.hint}\n`);
}

function listed(plugin: PluginPackage | null, name: string, outcome: PluginDefinition | PipelineError): ListedPlugin {
  const definition = isPipelineError(outcome) ? null : outcome;
  return {
    plugin: name,
    package: plugin?.packageName ?? '-',
    version: plugin?.version ?? '-',
    sdk: plugin?.manifest.sdk ?? '-',
    folder: plugin?.root ?? '-',
    workers: Object.keys(definition?.workers ?? {}),
    topics: definition?.topics.map((topic) => topic.name) ?? [],
    tables: definition?.tables.map((table) => table.name) ?? [],
    simulation: plugin?.manifest.simulation !== undefined,
    fault: isPipelineError(outcome)
      ? {
          code: outcome.code,
          message:
            failureText(outcome)
              .split('\n')[0]
              ?.replace(/^\w+: /, '') ?? '',
          hint: outcome.hint,
        }
      : null,
  };
}
