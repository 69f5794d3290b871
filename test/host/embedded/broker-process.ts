/** A process that opens a broker and says so: `node broker-process.ts <options as JSON>`. Prints one line and serves until killed. */
import { isPipelineError } from '@pipeline-host/sdk';
import { type EmbeddedBrokerOptions, openEmbeddedBroker } from '../../../host/src/embedded/index.ts';

try {
  const broker = await openEmbeddedBroker(JSON.parse(process.argv[2] ?? '{}') as EmbeddedBrokerOptions);
  process.stdout.write(`${JSON.stringify({ owner: broker.owner, address: broker.address, clusterId: broker.clusterId })}\n`);
  process.on('SIGTERM', () => {
    void broker.close().then(() => process.exit(0));
  });
  setInterval(() => {}, 60_000);
} catch (error) {
  process.stdout.write(`${JSON.stringify({ code: isPipelineError(error) ? error.code : String(error) })}\n`);
}
