import { type FaultList, PipelineError } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { createTopic } from '../engine/topics.ts';
import type { KafkaCluster } from '../kafka/driver.ts';
import { resolveTopics } from '../plugins/resolve-topology.ts';
import type { ResolvedTopic } from '../plugins/topology.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from './command-options.ts';
import { type LineFault, lineReader, openLines, type PublishedLine } from './publish-lines.ts';
import { openSession, type Session, withClusters } from './session.ts';
import { print } from './text-table.ts';

/** What a broker takes in one record where it does not say; most lines are far smaller and are not looked at again. */
const DEFAULT_MAX_MESSAGE = 1_048_588;
const SMALL_RECORD = 64 * 1024;
/** Bytes of a record around its key and value, batch header included, rounded up. */
const RECORD_OVERHEAD = 128;

interface PublishFlags extends CommandFlags {
  readonly skipInvalid: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
}

/** Messages in one hand-over to the producer. */
const BATCH = 1_000;
/** Faults that are listed beside a refusal, and beside a run that skips them. */
const LISTED = { refused: 3, skipped: 20 } as const;

/** `pipeline-host publish` */
export function publishCommand(): Command {
  return addCommonOptions(
    new Command('publish')
      .summary('check messages and send them to a topic')
      .description(
        'Sends a file of one JSON message a line to a topic of a plugin: checked against the schema of the topic, older shapes that it\naccepts included, keyed as the plugin says, bytes as they are. A file with faults sends nothing, unless --skip-invalid.',
      )
      .argument('<topic>', 'full name, or the name without prefix where one plugin is given')
      .argument('<file>', 'file of one JSON message a line, - for standard input'),
  )
    .option('--skip-invalid', 'send the good lines of a file with faults', false)
    .option('--dry-run', 'check the lines and send nothing', false)
    .addOption(jsonOption())
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host publish weather.readings readings.ndjson\n  $ zcat old.gz | pipeline-host publish readings - --plugin weather --dry-run',
    )
    .action((topic: string, file: string, flags: PublishFlags) => publish(topic, file, flags));
}

async function publish(name: string, file: string, flags: PublishFlags): Promise<void> {
  const session = await openSession(flags);
  const topic = findTopic(session, name);
  const read = lineReader(topic.definition);
  const lines = await openLines(file);
  const faults: LineFault[] = [];
  const large: { readonly line: number; readonly bytes: number }[] = [];
  let good = 0;
  for await (const line of read(lines())) {
    if ('fault' in line) faults.push(line.fault);
    else {
      good++;
      const bytes = line.value.length + (line.key?.length ?? 0) + RECORD_OVERHEAD;
      if (bytes > SMALL_RECORD) large.push({ line: line.line, bytes });
    }
  }
  const source = file === '-' ? 'standard input' : file;
  const report = (sent: number): void => print(JSON.stringify({ topic: topic.topic, valid: good, sent, skipped: faults.length, faults }));
  if (faults.length > 0 && !flags.skipInvalid && !(flags.dryRun && flags.json)) {
    if (flags.json) report(0);
    throw refused(topic, source, faults, good);
  }
  if (!flags.json) listFaults(source, faults, LISTED.skipped);
  const sent = flags.dryRun
    ? 0
    : await withClusters(session.config, async (clusters) =>
        send(await clusters.get(topic.cluster), topic, read(lines()), {
          create: session.config.config.kafka.createTopics,
          refuse: (limit) => refuseLarge(topic, source, large, limit),
        }),
      );
  if (flags.json) report(sent);
  else
    print(
      `${flags.dryRun ? `${good} messages fit ${topic.topic}; nothing was sent` : `${sent} messages sent to ${topic.topic}`}${faults.length > 0 ? `, ${faults.length} lines left out` : ''}`,
    );
}

async function send(
  cluster: KafkaCluster,
  topic: ResolvedTopic,
  lines: AsyncIterable<{ readonly fault: LineFault } | PublishedLine>,
  { create, refuse }: { readonly create: boolean; readonly refuse: (limit: number) => void },
): Promise<number> {
  const admin = await cluster.admin();
  await createTopic(admin, topic, create);
  refuse((await admin.maxMessageBytes(topic.topic)) ?? DEFAULT_MAX_MESSAGE);
  const producer = await cluster.producer({ deliveryTimeout: 30_000 });
  let sent = 0;
  let batch: PublishedLine[] = [];
  const flush = async (): Promise<void> => {
    await producer.sendAll(batch.map(({ key, value }) => ({ topic: topic.topic, key, value })));
    sent += batch.length;
    batch = [];
  };
  for await (const line of lines) {
    if ('fault' in line) continue;
    batch.push(line);
    if (batch.length === BATCH) await flush();
  }
  await flush();
  return sent;
}

/** Before anything is sent: a file goes in whole or not at all. */
function refuseLarge(
  topic: ResolvedTopic,
  source: string,
  large: readonly { readonly line: number; readonly bytes: number }[],
  limit: number,
): void {
  const beyond = large.filter(({ bytes }) => bytes > limit);
  const [first] = beyond;
  if (first === undefined) return;
  throw new PipelineError(
    'PH_MESSAGE_TOO_LARGE',
    `${beyond.length} lines are larger than ${topic.topic} takes (${limit} bytes a record); nothing was sent`,
    {
      place: `${source}, line ${beyond
        .slice(0, 10)
        .map(({ line }) => line)
        .join(', ')}${beyond.length > 10 ? ' …' : ''}`,
    },
  );
}

function findTopic({ config, topology }: Session, name: string): ResolvedTopic {
  const topics = topology.plugins.flatMap((plugin) => resolveTopics(plugin, config.config));
  const isOnlyOne = topology.plugins.length === 1;
  const found =
    topics.find(({ topic }) => topic === name) ?? (isOnlyOne ? topics.find(({ definition }) => definition.name === name) : undefined);
  if (found?.definition.external === true) {
    throw new PipelineError('PH_TOPIC_EXTERNAL', `${found.topic} is an external topic of the plugin: it is only read`, {
      place: `publish ${name}`,
    });
  }
  if (found !== undefined) return found;
  const known = topics
    .filter(({ definition }) => !definition.external)
    .flatMap(({ topic, definition }) => (isOnlyOne ? [topic, definition.name] : [topic]));
  const fallback =
    known.length === 0 ? 'name a plugin that has topics: --plugin <plugin>' : `the topics are ${list(topics.map(({ topic }) => topic))}`;
  throw new PipelineError('PH_TOPIC_UNKNOWN', `no plugin has a topic "${name}"`, {
    place: `publish ${name}`,
    hint: didYouMean(name, known, fallback),
  });
}

function refused(topic: ResolvedTopic, source: string, faults: readonly LineFault[], good: number): FaultList | PipelineError {
  listFaults(source, faults, LISTED.refused);
  const numbers = faults.slice(0, 10).map(({ line }) => line);
  return new PipelineError(
    'PH_PUBLISH_INVALID',
    `${faults.length} of ${faults.length + good} lines are no messages of ${topic.topic}; nothing was sent`,
    {
      place: `${source}, line${faults.length === 1 ? '' : 's'} ${numbers.join(', ')}${faults.length > numbers.length ? ' …' : ''}`,
    },
  );
}

function listFaults(source: string, faults: readonly LineFault[], limit: number): void {
  for (const { line, code, message } of faults.slice(0, limit)) process.stderr.write(`${source}:${line}: ${code}: ${message}\n`);
}
