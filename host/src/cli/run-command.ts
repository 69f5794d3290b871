import { PipelineError } from '@pipeline-host/sdk';
import { Command, Option } from 'commander';
import { didYouMean } from '../config/did-you-mean.ts';
import type { FlagSetting } from '../config/load.ts';
import { list } from '../config/schema-faults.ts';
import { createLogger } from '../observability/logger.ts';
import { discoverPlugins } from '../plugins/discover-plugins.ts';
import { pollersLeftOut, selectMaintenance, selectWorkers } from '../plugins/select-workers.ts';
import type { RunningHost } from '../supervisor/host.ts';
import { startHost } from '../supervisor/host.ts';
import { HOST_VERSION } from '../version.ts';
import { addCommonOptions, type CommandFlags, collectNames, flagSettings, wholeNumber } from './command-options.ts';
import { openEmbedded } from './embedded-broker.ts';
import { openSession } from './session.ts';
import { listenForStop, stopInTime } from './stop-signals.ts';
import { print } from './text-table.ts';

interface RunFlags extends CommandFlags {
  readonly worker?: readonly string[];
  readonly count: number;
  readonly port?: number;
  readonly logLevel?: string;
}

/**
 * `pipeline-host --plugin P [--worker W]`: runs workers until it is stopped.
 *
 * @param known names of the commands, for whoever mistypes one
 */
export function rootCommand(known: readonly string[]): Command {
  const command = new Command('pipeline-host')
    .description('Runs the workers of domain plugins on Kafka and Delta tables: no record lost, none twice.')
    .argument('[command]', 'one of the commands below; without one, workers run until Ctrl-C')
    .usage('--plugin <plugin> [--worker <worker>] [options]\n       pipeline-host <command> [options]');
  addCommonOptions(command, 'plugin to run: a name, a package or a folder; several by comma')
    .option('-w, --worker <worker>', 'worker to run; several by comma (default: all of the plugins)', collectNames)
    .option('--count <number>', "members of each worker's consumer group in this process", wholeNumber(1, 64), 1)
    .option('--port <number>', 'port of health and metrics, 0 for a free one (config: http.port)', wholeNumber(0, 65_535))
    .addOption(
      new Option('--log-level <level>', 'what is logged (config: log.level)').choices(['debug', 'info', 'warn', 'error', 'silent']),
    )
    .addHelpText(
      'after',
      `
Examples:
  $ pipeline-host demo                                   the whole product on this machine, nothing to set up
  $ pipeline-host plugins                                what is installed
  $ pipeline-host --plugin weather                       every worker of a plugin
  $ pipeline-host --plugin weather --worker writer       one worker: the unit of deployment and scaling
  $ pipeline-host --plugin weather --worker table-maintenance
  $ pipeline-host --plugin ./my-plugin --config host.yaml
  $ PIPELINE_HOST__KAFKA__BROKERS=kafka:9092 pipeline-host --plugin weather

Config: flag over environment (PIPELINE_HOST__SECTION__KEY) over file over default; see "pipeline-host config explain".
Exit codes: 0 ok, 1 failed while running, 2 wrong config, plugin or arguments, 3 wrong environment.`,
    )
    .action((given: string | undefined, flags: RunFlags) => (given === undefined ? run(flags) : unknownCommand(given, known)));
  return command;
}

function unknownCommand(given: string, known: readonly string[]): never {
  throw new PipelineError('PH_CLI_ARGUMENT', `unknown command "${given}"`, {
    place: 'command line',
    hint: didYouMean(given, known, `the commands are ${list(known)}`),
  });
}

async function run(flags: RunFlags): Promise<void> {
  if (flags.plugin === undefined) throw pluginMissing();
  const settings: readonly FlagSetting[] = flagSettings(
    { flag: '--port', path: ['http', 'port'], value: flags.port },
    { flag: '--log-level', path: ['log', 'level'], value: flags.logLevel },
  );
  using stop = listenForStop();
  const { config, topology } = await openSession(flags, settings);
  const names = flags.worker ?? [];
  const workers = selectWorkers(topology, names);
  const maintenance = selectMaintenance(topology, names, config.config.delta.maintenance.enabled);
  const leftOut = pollersLeftOut(topology, names).map(({ id }) => `${id} is left out: this version of the host does not run pollers yet`);
  for (const warning of [...config.warnings, ...leftOut]) process.stderr.write(`*** ${warning} ***\n`);
  const log = createLogger({ level: config.config.log.level, pretty: process.stderr.isTTY });
  const host = await startHost({ config, topology, workers, maintenance, count: flags.count, openEmbedded, log });
  try {
    printAddresses(host, flags.count, config.config.http.admin.token !== undefined);
    await Promise.race([stop.asked, host.finished]);
  } finally {
    await stopInTime(() => host.stop());
  }
}

function printAddresses(host: RunningHost, count: number, hasAdmin: boolean): void {
  const { units, clusters } = host.status();
  print(`pipeline-host ${HOST_VERSION} runs ${units.map(({ id }) => id).join(', ')}${count > 1 ? ` (${count} members each)` : ''}`);
  print(`http   ${host.url}  /health/live /health/ready /metrics${hasAdmin ? ' /admin/v1' : ''}`);
  for (const { name, brokers, embedded } of clusters)
    print(
      `kafka  ${brokers}${name === 'default' ? '' : ` (cluster ${name})`}${embedded ? '  embedded: single machine, not replicated' : ''}`,
    );
}

function pluginMissing(): PipelineError {
  const installed = discoverPlugins(process.cwd()).map(({ manifest }) => manifest.plugin);
  const hint =
    installed.length === 0
      ? 'say which plugin to run: --plugin <name, package or folder>; "pipeline-host --help" has examples'
      : `say which plugin to run: --plugin ${installed.join(' or --plugin ')}`;
  return new PipelineError('PH_CLI_ARGUMENT', '--plugin is missing', { place: 'command line', hint });
}
