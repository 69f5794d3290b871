import { Command } from 'commander';
import { dispositionTopicOf } from '../dlq/queues.ts';
import type { Clusters } from '../engine/clusters.ts';
import { ensureTopics } from '../engine/topics.ts';
import { resolveTopics } from '../plugins/resolve-topology.ts';
import type { Topology } from '../plugins/topology.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from './command-options.ts';
import { counted } from './counted.ts';
import { openSession, type Session, withClusters } from './session.ts';
import { print, printList } from './text-table.ts';

/** Dispositions are made when a dead letter is first replayed or discarded, and not before. */
type TopicKind = 'own' | 'external' | 'retry' | 'dead letters' | 'dispositions';

interface NamedTopic {
  readonly topic: string;
  readonly plugin: string;
  readonly cluster: string;
  readonly kind: TopicKind;
}

interface ListedTopic extends NamedTopic {
  /** Null where the topic does not exist. */
  readonly partitions: number | null;
  /** Offsets between the start and the end of the partitions: records, and gaps of compaction and transactions. */
  readonly records: number | null;
}

/** `pipeline-host topics` */
export function topicsCommand(): Command {
  const command = new Command('topics')
    .summary('list or create the topics of plugins')
    .description('Lists the topics that plugins use, or creates those that are missing.');
  addCommonOptions(
    command
      .command('list')
      .summary('list the topics that the plugins use')
      .description(
        'Lists topics with their full names, partitions and records, retry topics, dead letters and what was done with them included.',
      ),
  )
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host topics list --plugin weather\n  $ pipeline-host topics list --json')
    .action(async (flags: CommandFlags & { readonly json: boolean }) => {
      const session = await openSession(flags);
      printTopics(await withClusters(session.config, (clusters) => describe(session, clusters)), flags.json);
    });
  addCommonOptions(
    command
      .command('create')
      .summary('create the topics that are missing')
      .description(
        "Creates the plugins' own topics, retry topics and dead letters where they are missing. Topics that exist stay as they are;\nexternal topics are never created.",
      ),
  )
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host topics create --plugin weather')
    .action(async (flags: CommandFlags & { readonly json: boolean }) => {
      const session = await openSession(flags);
      await withClusters(session.config, (clusters) => create(session, clusters, flags.json));
    });
  return command;
}

async function create(session: Session, clusters: Clusters, json: boolean): Promise<void> {
  const before = await describe(session, clusters);
  const isThere = new Set(before.filter(({ partitions }) => partitions !== null).map(({ cluster, topic }) => `${cluster}/${topic}`));
  // A worker whose external topic is not there yet is left out: its retry topic takes its shape from that topic.
  const workers = session.topology.workers.filter(
    ({ consumes }) => consumes === null || !consumes.definition.external || isThere.has(`${consumes.cluster}/${consumes.topic}`),
  );
  await ensureTopics(workers, clusters, true, session.topology.workers);
  const after = await describe(session, clusters);
  const created = after.filter(({ cluster, topic, partitions }) => partitions !== null && !isThere.has(`${cluster}/${topic}`));
  const missing = after.filter(({ kind, partitions }) => kind === 'external' && partitions === null);
  if (json) return print(JSON.stringify({ created, existing: before.filter(({ partitions }) => partitions !== null), missing }, null, 2));
  for (const { topic, partitions } of created) print(`created ${topic} with ${counted(partitions ?? 0, 'partition')}`);
  print(`${created.length} created, ${isThere.size} were there`);
  for (const { topic } of missing) process.stderr.write(`external topic ${topic} does not exist: its owner creates it\n`);
}

function printTopics(topics: readonly ListedTopic[], json: boolean): void {
  printList(topics, {
    json,
    empty: 'the plugins use no topics',
    header: ['TOPIC', 'PLUGIN', 'KIND', 'CLUSTER', 'PARTITIONS', 'RECORDS'],
    row: ({ topic, plugin, kind, cluster, partitions, records }) => [topic, plugin, kind, cluster, partitions ?? '-', records ?? '-'],
  });
}

async function describe({ config, topology }: Session, clusters: Clusters): Promise<readonly ListedTopic[]> {
  const named = topicsOf(topology, (plugin) => resolveTopics(plugin, config.config));
  const found = await Promise.all(
    [...Map.groupBy(named, ({ cluster }) => cluster)].map(async ([cluster, topics]) => {
      const admin = await (await clusters.get(cluster)).admin();
      const described = await admin.describeTopics(topics.map(({ topic }) => topic));
      return Promise.all(
        topics.map(async (topic): Promise<ListedTopic> => {
          const partitions = described.get(topic.topic)?.partitions ?? null;
          const offsets = partitions === null ? null : await admin.offsets(topic.topic);
          return { ...topic, partitions, records: offsets?.reduce((sum, { low, high }) => sum + high - low, 0) ?? null };
        }),
      );
    }),
  );
  return found.flat().sort((a, b) => (a.topic < b.topic ? -1 : 1));
}

function topicsOf(
  topology: Topology,
  ownTopics: (plugin: Topology['plugins'][number]) => ReturnType<typeof resolveTopics>,
): readonly NamedTopic[] {
  const named: NamedTopic[] = topology.plugins.flatMap((plugin) =>
    ownTopics(plugin).map(
      ({ topic, cluster, definition }): NamedTopic => ({
        topic,
        cluster,
        plugin: plugin.name,
        kind: definition.external ? 'external' : 'own',
      }),
    ),
  );
  for (const worker of topology.workers) {
    if (worker.consumes === null) continue;
    const { plugin, cluster } = worker;
    named.push({ topic: worker.retryTopic, cluster, plugin: plugin.name, kind: 'retry' });
    named.push({ topic: worker.deadLetterTopic, cluster, plugin: plugin.name, kind: 'dead letters' });
    named.push({ topic: dispositionTopicOf(worker.deadLetterTopic), cluster, plugin: plugin.name, kind: 'dispositions' });
  }
  return [...new Map(named.map((topic) => [`${topic.cluster}/${topic.topic}/${topic.plugin}`, topic])).values()];
}
