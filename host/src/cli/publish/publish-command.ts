import { FaultList, PipelineError } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { didYouMean } from '../../config/did-you-mean.ts';
import { list } from '../../config/schema-faults.ts';
import { createTopic } from '../../engine/topics.ts';
import type { KafkaCluster } from '../../kafka/driver.ts';
import { resolveTopics } from '../../plugins/resolve-topology.ts';
import type { ResolvedTopic } from '../../plugins/topology.ts';
import { addCommonOptions, type CommandFlags, jsonOption, wholeNumber } from '../command-options.ts';
import { counted } from '../counted.ts';
import { printFailure } from '../print-failure.ts';
import { openSession, type Session, withClusters } from '../session.ts';
import { listenForStop } from '../stop-signals.ts';
import { print } from '../text-table.ts';
import { type CheckedLines, checkLines, inBatches, type LargeLine } from './batches.ts';
import { type LineFault, lineReader, openLines } from './lines.ts';
import { brokenOff, type Sending, sendBatches } from './send.ts';

/** What a broker takes in one record where it does not say. */
const DEFAULT_MAX_MESSAGE = 1_048_588;

interface PublishFlags extends CommandFlags {
  readonly skipInvalid: boolean;
  readonly dryRun: boolean;
  readonly json: boolean;
  readonly fromLine: number;
}

/** Faulty lines that are explained; of the others only the number is told. */
const EXPLAINED = 20;

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
    .option('--from-line <number>', 'pass over the lines before this one', wholeNumber(1, Number.MAX_SAFE_INTEGER), 1)
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
  const read = lineReader(topic.definition, flags.fromLine);
  const lines = await openLines(file);
  const checked = await checkLines(read(lines()));
  const { good, faults } = checked;
  const source = file === '-' ? 'standard input' : file;

  explainFaults(source, faults);
  if (faults.length > 0 && !flags.skipInvalid) {
    if (flags.json) printJson(topic, checked, null);
    throw refused(topic, source, faults, good);
  }
  const leftOut = faults.length > 0 ? `, ${counted(faults.length, 'line')} left out` : '';
  if (flags.dryRun) {
    if (flags.json) printJson(topic, checked, null);
    else print(`${counted(good, 'message fits', 'messages fit')} ${topic.topic}; nothing was sent${leftOut}`);
    return;
  }
  await withClusters(session.config, async (clusters) => {
    const cluster = await clusters.get(topic.cluster);
    await prepareTopic(cluster, topic, session, (limit) => refuseLarge(topic, source, checked.large, limit));
    const sending = await send(cluster, topic, inBatches(read(lines())), checked);
    if (flags.json) printJson(topic, checked, sending);
    if (sending.end.kind !== 'complete') endBrokenOff(sending, brokenOff(sending, good, source, flags.fromLine));
    else if (!flags.json) print(`${counted(sending.sent, 'message')} sent to ${topic.topic}${leftOut}`);
  });
}

async function prepareTopic(
  cluster: KafkaCluster,
  topic: ResolvedTopic,
  { config }: Session,
  refuse: (limit: number) => void,
): Promise<void> {
  const admin = await cluster.admin();
  await createTopic(admin, topic, config.config.kafka.createTopics);
  refuse((await admin.maxMessageBytes(topic.topic)) ?? DEFAULT_MAX_MESSAGE);
}

/** Ctrl-C ends it after the batch that is on its way, so that it is known what was sent. */
async function send(
  cluster: KafkaCluster,
  { topic }: ResolvedTopic,
  batches: ReturnType<typeof inBatches>,
  { fingerprints }: CheckedLines,
): Promise<Sending> {
  const producer = await cluster.producer({ deliveryTimeout: 30_000 });
  using signals = listenForStop();
  let exitCode: number | null = null;
  void signals.asked.then((code) => {
    exitCode = code;
  });
  return await sendBatches(producer, batches, { topic, fingerprints, stopped: () => exitCode });
}

/** @throws FaultList with the cause and how far it came; where a signal was the cause, its exit code is set */
function endBrokenOff({ end }: Sending, howFar: PipelineError): void {
  if (end.kind === 'failed') throw new FaultList([end.error, howFar]);
  printFailure(howFar);
  if (end.kind === 'stopped') process.exitCode = end.exitCode;
}

function printJson({ topic }: ResolvedTopic, { good, faults }: CheckedLines, sending: Sending | null): void {
  const counts = { topic, valid: good, sent: sending?.sent ?? 0, skipped: faults.length };
  const broken = sending === null || sending.end.kind === 'complete' ? {} : { upToLine: sending.upToLine, unsure: sending.unsure };
  print(JSON.stringify({ ...counts, ...broken, faults }));
}

/** Before anything is sent: a file goes in whole or not at all. */
function refuseLarge(topic: ResolvedTopic, source: string, large: readonly LargeLine[], limit: number): void {
  const beyond = large.filter(({ bytes }) => bytes > limit);
  if (beyond.length === 0) return;
  const what = counted(beyond.length, 'line is', 'lines are');
  throw new PipelineError('PH_MESSAGE_TOO_LARGE', `${what} larger than ${topic.topic} takes (${limit} bytes a record); nothing was sent`, {
    place: `${source}, ${lineNumbers(beyond)}`,
  });
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

function refused(topic: ResolvedTopic, source: string, faults: readonly LineFault[], good: number): PipelineError {
  const what = `${faults.length.toLocaleString('en-US')} of ${counted(faults.length + good, 'line')}`;
  return new PipelineError(
    'PH_PUBLISH_INVALID',
    `${what} ${faults.length === 1 ? 'is no message' : 'are no messages'} of ${topic.topic}; nothing was sent`,
    { place: `${source}, ${lineNumbers(faults)}` },
  );
}

function lineNumbers(lines: readonly { readonly line: number }[]): string {
  const numbers = lines.slice(0, EXPLAINED).map(({ line }) => line);
  return `line${lines.length === 1 ? '' : 's'} ${numbers.join(', ')}${lines.length > numbers.length ? ' …' : ''}`;
}

function explainFaults(source: string, faults: readonly LineFault[]): void {
  for (const { line, code, message } of faults.slice(0, EXPLAINED)) process.stderr.write(`${source}:${line}: ${code}: ${message}\n`);
  const more = faults.length - EXPLAINED;
  if (more > 0) process.stderr.write(`${source}: and ${counted(more, 'more faulty line')}; --json lists all\n`);
}
