import type { PipelineError } from '@pipeline-host/sdk';
import { fault } from './fault.ts';
import type { ResolvedTopic, ResolvedWorker, Topology } from './topology.ts';

/** Whether physical names are valid and unique over all plugins, and outputs only feed what can take one twice. */
export function checkTopology(topology: Topology): PipelineError[] {
  return [...checkGroups(topology), ...checkTopicNames(topology), ...checkTableNames(topology), ...checkOutputIdentity(topology)];
}

const key = ({ cluster, topic }: Pick<ResolvedTopic, 'cluster' | 'topic'>): string => `${cluster}/${topic}`;
const placeOf = ({ name, plugin }: ResolvedWorker): string => `worker ${name} of plugin ${plugin.name}`;

function checkGroups({ workers }: Topology): PipelineError[] {
  const consumers = workers.filter(({ consumes }) => consumes !== null);
  return [...Map.groupBy(consumers, ({ group, consumes }) => `${consumes?.cluster}/${group}`).values()]
    .filter((same) => same.length > 1)
    .map((same) =>
      fault(
        'PH_TOPOLOGY_GROUP',
        `${same.map(({ id }) => id).join(' and ')} have the same consumer group "${same[0]?.group}", so they would take each other's records`,
        same.map(placeOf).join(', '),
      ),
    );
}

interface NamedTopic extends Pick<ResolvedTopic, 'cluster' | 'topic'> {
  readonly what: string;
}

function checkTopicNames(topology: Topology): PipelineError[] {
  const named = new Map<string, NamedTopic>();
  for (const worker of topology.workers) {
    const { plugin, cluster } = worker;
    for (const topic of [worker.consumes, ...worker.produces.values()]) {
      if (topic !== null && !topic.definition.external)
        named.set(`${plugin.name}/${topic.definition.name}`, {
          cluster: topic.cluster,
          topic: topic.topic,
          what: `topic ${topic.definition.name} of plugin ${plugin.name}`,
        });
    }
    if (worker.consumes === null) continue;
    named.set(`${plugin.name}//dlq`, { cluster, topic: worker.deadLetterTopic, what: `dead letters of plugin ${plugin.name}` });
    named.set(`${plugin.name}//dispositions`, {
      cluster,
      topic: `${worker.deadLetterTopic}.dispositions`,
      what: `dispositions of the dead letters of plugin ${plugin.name}`,
    });
    named.set(`${plugin.name}//${worker.retryShared ? 'retry' : worker.name}`, {
      cluster,
      topic: worker.retryTopic,
      what: `retry topic of ${worker.retryShared ? `plugin ${plugin.name}` : placeOf(worker)}`,
    });
  }
  const all = [...named.values()];
  const groups = topology.workers
    .filter(({ consumes }) => consumes !== null)
    .map(({ group, ...worker }) => ({ topic: group, what: `group of worker ${worker.id}` }));
  return [
    ...[...all, ...groups].flatMap(({ topic, what }) => {
      const reason = whyNotAName(topic);
      return reason === null
        ? []
        : [fault('PH_TOPOLOGY_NAME', `"${topic.slice(0, 60)}" ${reason}`, what, 'use at most 249 of the characters a-z A-Z 0-9 . _ -')];
    }),
    ...[...Map.groupBy(all, key).values()]
      .filter((same) => same.length > 1)
      .map((same) =>
        fault(
          'PH_TOPOLOGY_DUPLICATE',
          `${same.map(({ what }) => what).join(' and ')} are both "${same[0]?.topic}"`,
          `cluster ${same[0]?.cluster}`,
          'give one another physical name in the config',
        ),
      ),
  ];
}

function whyNotAName(name: string): string | null {
  if (name === '' || name === '.' || name === '..') return 'is not a name that Kafka takes';
  if (name.length > 249) return `is ${name.length} characters long, which Kafka does not take`;
  return /^[a-zA-Z0-9._-]+$/.test(name) ? null : 'has characters that Kafka does not take';
}

function checkTableNames({ workers }: Topology): PipelineError[] {
  const tables = new Map<string, { readonly name: string; readonly what: string }>();
  for (const { plugin, tables: written } of workers)
    for (const { definition, name } of written)
      tables.set(`${plugin.name}/${definition.name}`, { name, what: `table ${definition.name} of plugin ${plugin.name}` });
  return [
    ...[...tables.values()]
      .filter(({ name }) => !/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,199}$/.test(name))
      .map(({ name, what }) =>
        fault('PH_TOPOLOGY_NAME', `"${name}" cannot be the folder of a table`, what, 'use letters, digits, underscores and dashes'),
      ),
    ...[...Map.groupBy(tables.values(), ({ name }) => name.toLowerCase()).values()]
      .filter((same) => same.length > 1)
      .map((same) =>
        fault(
          'PH_TOPOLOGY_DUPLICATE',
          `${same.map(({ what }) => what).join(' and ')} are both stored as "${same[0]?.name}"`,
          'storage.tables',
          'set plugins.<p>.tables.<t>.name for one of them',
        ),
      ),
  ];
}

/** A handler that dies between sending and committing sends again: what it sends may only feed tables that notice. */
function checkOutputIdentity({ workers }: Topology): PipelineError[] {
  const producers = new Map<string, ResolvedWorker>();
  // A poller remembers what it sent: its messages are a source, not an output.
  for (const worker of workers)
    if (worker.consumes !== null) for (const topic of worker.produces.values()) producers.set(key(topic), worker);
  return workers.flatMap((worker) => {
    const producer = worker.consumes === null ? undefined : producers.get(key(worker.consumes));
    if (producer === undefined) return [];
    return worker.tables
      .filter(({ definition: { options } }) => options.mode === 'append' && options.dedupe === undefined)
      .map(({ definition }) =>
        fault(
          'PH_TOPOLOGY_DEDUPE',
          `it appends to "${definition.name}" from "${worker.consumes?.definition.name}", which worker ${producer.id} produces and may send twice`,
          placeOf(worker),
        ),
      );
  });
}
