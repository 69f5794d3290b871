import { join } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';
import { Command } from 'commander';
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
}

/** `pipeline-host broker` */
export function brokerCommand(): Command {
  return new Command('broker')
    .summary('run the embedded Kafka broker alone')
    .description(
      'Runs the embedded broker of a data folder until Ctrl-C, for several hosts on this machine or for kcat and other clients.\nFor one machine: it binds loopback and replicates nothing. Hosts with the same data folder find it by themselves.',
    )
    .option('-c, --config <file>', 'config file')
    .option('-d, --data <folder>', 'data folder of the hosts; the broker lives in its folder "broker" (config: dataDir)')
    .option('--port <number>', 'port to listen on, 0 for a free one (config: kafka.embedded.port)', wholeNumber(0, 65_535))
    .option('--fsync', 'have each record on disk before it is acknowledged (config: kafka.embedded.fsync)', false)
    .addHelpText('after', '\nExamples:\n  $ pipeline-host broker --data ./data --port 9092\n  $ kcat -b 127.0.0.1:9092 -L')
    .action((flags: BrokerFlags) => broker(flags));
}

async function broker(flags: BrokerFlags): Promise<void> {
  const { config } = await openConfig(
    flags,
    flagSettings(
      { flag: 'the command broker', path: ['kafka', 'brokers'], value: 'embedded' },
      { flag: '--port', path: ['kafka', 'embedded', 'port'], value: flags.port },
      { flag: '--fsync', path: ['kafka', 'embedded', 'fsync'], value: flags.fsync ? 'always' : undefined },
    ),
  );
  using stop = listenForStop();
  const dataDir = join(config.dataDir, 'broker');
  const running = await openEmbedded({ dataDir, ...config.kafka.embedded });
  if (!running.owner)
    throw new PipelineError('PH_BROKER_OWNED', `the broker of this data folder already runs at ${running.address}`, { place: dataDir });
  print(`kafka  ${running.address}  embedded: single machine, not replicated`);
  print(`data   ${dataDir}  (cluster ${running.clusterId})`);
  await stop.asked;
  await stopInTime(() => running.close());
}
