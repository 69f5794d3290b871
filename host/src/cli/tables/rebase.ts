import { PipelineError } from '@pipeline-host/sdk';
import { Command, InvalidArgumentError } from 'commander';
import { list } from '../../config/schema-faults.ts';
import { DeltaTable } from '../../delta/index.ts';
import { storageUris } from '../../engine/host-services.ts';
import { planRebase, type RebasePlan, type RebaseTarget, rebase } from '../../engine/tables/rebase.ts';
import { openStore } from '../../storage/index.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { counted } from '../counted.ts';
import { openSession, type Session, withClusters } from '../session.ts';
import { print, tableLines } from '../text-table.ts';
import { withDeltaEngine } from './delta-session.ts';
import { findTable, type PluginTable } from './plugin-tables.ts';

type RebaseFlags = CommandFlags & {
  readonly json: boolean;
  readonly dryRun: boolean;
  readonly worker?: string;
  readonly start?: string;
  readonly allowDuplicates: boolean;
};

/** `pipeline-host tables rebase NAME` */
export function rebaseCommand(): Command {
  return addCommonOptions(
    new Command('rebase')
      .summary('let the writer of a table forget which records the table holds')
      .description(
        [
          'Begins a new generation of the offsets that a table keeps of its writer: for a topic that was made anew under its name',
          '(PH_DELTA_OFFSETS_FOREIGN), and to write records again, from where --start says. The writer must be stopped. Rows that the',
          'table has stay; a merge table takes the same records again, an append table would have their rows twice.',
        ].join('\n'),
      )
      .argument('<table>', 'name of a table'),
  )
    .option('--dry-run', 'only say what the writer would do', false)
    .option('--start <position>', 'earliest, latest or an ISO time of its source; default: where its group stands', position)
    .option('--worker <worker>', 'which writer, where several write the table')
    .option('--allow-duplicates', 'append the rows of records again that the table holds', false)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host tables rebase readings --dry-run\n  $ pipeline-host tables rebase rooms --start 2026-01-05T00:00:00Z',
    )
    .action((name: string, flags: RebaseFlags) => rebaseNamed(name, flags));
}

async function rebaseNamed(given: string, flags: RebaseFlags): Promise<void> {
  const session = await openSession(flags);
  const found = findTable(session, given, `tables rebase ${given}`);
  const worker = writerOf(session, found, flags.worker);
  const { config } = session.config;
  const store = openStore(storageUris(config).tables);
  await withClusters(session.config, (clusters) =>
    withDeltaEngine(config.delta, async (engine) => {
      const { name } = found.table;
      const table = await DeltaTable.open(engine, store, name);
      try {
        const [source, retry] = await Promise.all([clusters.get(worker.consumes.cluster), clusters.get(worker.cluster)]);
        const target: RebaseTarget = { table, name, worker, admins: { source: await source.admin(), retry: await retry.admin() } };
        const plan = await planRebase(target, flags.start);
        if (!flags.json) printPlan(found, worker.id, plan, flags.dryRun);
        if (!flags.dryRun) await rebase(target, plan, { duplicates: flags.allowDuplicates });
        if (flags.json) print(JSON.stringify({ table: name, worker: worker.id, dryRun: flags.dryRun, ...plan }, null, 2));
        else if (!flags.dryRun) print(`${name}: generation ${plan.generation.to} of ${worker.id}, version ${table.version}`);
      } finally {
        await table.close();
      }
    }),
  );
}

function printPlan({ table }: PluginTable, worker: string, { generation, partitions, again }: RebasePlan, dryRun: boolean): void {
  const { mode } = table.definition.options;
  print(`${table.name} (${mode}): generation ${generation.from} of ${worker} ${dryRun ? 'would become' : 'becomes'} ${generation.to}`);
  print(
    tableLines(
      ['PARTITION', 'FROM', 'TO', 'IN THE TABLE UP TO', 'GOES ON AT', 'WRITTEN AGAIN'],
      partitions.map(({ topic, partition, low, high, stored, start, again: repeated }) => [
        `${topic}/${partition}`,
        low,
        high,
        stored === null ? '-' : stored >= high ? `${stored} (of another topic)` : stored,
        start,
        repeated,
      ]),
    ).join('\n'),
  );
  const records = counted(again, 'record');
  print(
    again === 0
      ? 'no record at an offset that the table holds is written again'
      : mode === 'append'
        ? `${records} at offsets that the table holds: their rows would be there twice, but for what dedupe leaves out; it wants --allow-duplicates`
        : `${records} at offsets that the table holds ${again === 1 ? 'is' : 'are'} merged again: older values overwrite newer ones until the writer has caught up`,
  );
}

function writerOf({ topology }: Session, { plugin, table }: PluginTable, named: string | undefined): RebaseTarget['worker'] {
  const writers = topology.workers.filter(
    (worker): worker is RebaseTarget['worker'] =>
      worker.consumes !== null && worker.plugin.name === plugin && worker.tables.some(({ name }) => name === table.name),
  );
  const chosen = named === undefined ? writers : writers.filter(({ name, id }) => name === named || id === named);
  const [worker] = chosen;
  if (worker !== undefined && chosen.length === 1) return worker;
  const names = writers.map(({ name }) => name);
  throw new PipelineError(
    'PH_CLI_ARGUMENT',
    named === undefined ? `${counted(writers.length, 'worker')} write ${table.name}` : `no worker "${named}" writes ${table.name}`,
    {
      place: 'command line',
      hint: names.length === 0 ? 'no worker of the plugin writes this table' : `say which: --worker ${list(names)}`,
    },
  );
}

function position(text: string): string {
  if (text === 'earliest' || text === 'latest' || !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError('earliest, latest or an ISO time is meant.');
}
