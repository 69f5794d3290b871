import { join } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';
import { Command, InvalidArgumentError, Option } from 'commander';
import { PROFILES } from '../embedded/index.ts';
import { createLogger } from '../observability/logger.ts';
import { flagSettings, wholeNumber } from './command-options.ts';
import { openEmbedded } from './embedded-broker.ts';
import { openConfig } from './session.ts';
import { listenForStop, stopInTime } from './stop-signals.ts';
import { print } from './text-table.ts';

interface BrokerFlags {
  readonly config?: string;
  readonly data?: string;
  readonly port?: number;
  readonly fsync: boolean;
  readonly profile?: string;
  readonly topic?: readonly NamedTopic[];
  readonly dropCommitMetadata: boolean;
}

type NamedTopic = readonly [name: string, partitions: number];

/** `pipeline-host broker` */
export function brokerCommand(): Command {
  return new Command('broker')
    .summary('run the embedded Kafka broker alone')
    .description(
      'Runs the embedded broker of a data folder until Ctrl-C, for several hosts on this machine or for kcat and other clients.\nFor one machine: it binds loopback and replicates nothing. Hosts with the same data folder find it by themselves,\nand one of them takes over when it goes.',
    )
    .option('-c, --config <file>', 'config file')
    .option('-d, --data <folder>', 'data folder of the hosts; the broker lives in its folder "broker" (config: dataDir)')
    .option('--port <number>', 'port to listen on, 0 for a free one (config: kafka.embedded.port)', wholeNumber(0, 65_535))
    .option('--fsync', 'have each record on disk before it is acknowledged (config: kafka.embedded.fsync)', false)
    .addOption(
      new Option('--profile <profile>', 'what it offers and refuses (config: kafka.embedded.profile, default kafka4)').choices(
        Object.keys(PROFILES),
      ),
    )
    .option('--topic <name:partitions>', 'topic to make at the start; several times (config: kafka.embedded.topics)', collectTopics)
    .option('--drop-commit-metadata', 'forget the metadata of commits (config: kafka.embedded.commitMetadata)', false)
    .addHelpText(
      'after',
      `
Profiles:
  kafka4     a Kafka cluster of one node
  eventhubs  a namespace of Event Hubs Standard: 10 topics of 32 partitions, all made here with --topic; requests of 1,046,528 bytes;
             no transactions; 2 commits a second and partition, more are answered late

Examples:
  $ pipeline-host broker --data ./data --port 9092
  $ pipeline-host broker --data ./data --profile eventhubs --topic weather.readings:6 --topic weather.dlq:6
  $ kcat -b 127.0.0.1:9092 -L`,
    )
    .action((flags: BrokerFlags) => broker(flags));
}

async function broker(flags: BrokerFlags): Promise<void> {
  const { config } = await openConfig(
    flags,
    flagSettings(
      { flag: 'the command broker', path: ['kafka', 'brokers'], value: 'embedded' },
      { flag: '--port', path: ['kafka', 'embedded', 'port'], value: flags.port },
      { flag: '--fsync', path: ['kafka', 'embedded', 'fsync'], value: flags.fsync ? 'always' : undefined },
      { flag: '--profile', path: ['kafka', 'embedded', 'profile'], value: flags.profile },
      { flag: '--topic', path: ['kafka', 'embedded', 'topics'], value: flags.topic && Object.fromEntries(flags.topic) },
      {
        flag: '--drop-commit-metadata',
        path: ['kafka', 'embedded', 'commitMetadata'],
        value: flags.dropCommitMetadata ? 'drop' : undefined,
      },
    ),
  );
  using stop = listenForStop();
  const dataDir = join(config.dataDir, 'broker');
  const log = createLogger({ level: config.log.level, pretty: process.stderr.isTTY });
  const running = await openEmbedded({
    ...config.kafka.embedded,
    dataDir,
    log: (level, message, fields) => log[level]({ ...fields }, message),
  });
  if (!running.owner) {
    await running.close();
    throw new PipelineError('PH_BROKER_OWNED', `the broker of this data folder already runs at ${running.address}`, { place: dataDir });
  }
  print(`kafka  ${running.address}  embedded: single machine, not replicated`);
  print(`data   ${dataDir}  (cluster ${running.clusterId})`);
  await stop.asked;
  await stopInTime(() => running.close());
}

/** Option parser: a topic with its partitions, or the option again. */
function collectTopics(value: string, before: readonly NamedTopic[] = []): readonly NamedTopic[] {
  const at = value.lastIndexOf(':');
  const partitions = Number(value.slice(at + 1));
  if (at < 1 || !/^\d+$/.test(value.slice(at + 1)) || partitions < 1)
    throw new InvalidArgumentError('A name and its partitions are meant, such as weather.readings:6.');
  return [...before, [value.slice(0, at), partitions]];
}
