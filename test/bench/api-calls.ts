import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { done } from '@pipeline-host/sdk';
import { createHttp } from '../../host/src/http/http-service.ts';
import { openStaging } from '../../host/src/storage/staging.ts';
import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { startFileServer } from './file-server-process.ts';
import { figure, inTurns } from './measure.ts';
import { runUnit } from './unit-run.ts';

const CALLS = 2_000;
const CONCURRENCY = 20;
/** Milliseconds that the API takes. */
const WAIT = 50;
const BYTES = 2_000;

/** A worker that asks a slow API for each record, as an enricher does: by a client with limits, breaker and further tries. */
export const apiCalls: Bench = {
  name: 'api',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-api-'));
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const http = createHttp({ staging: await openStaging(join(folder, 'staging')), log, userAgent: 'pipeline-host-bench' });
    try {
      await using server = await startFileServer();
      const api = http.api({ name: 'bench', baseUrl: `http://${server.host}`, privateRanges: ['127.0.0.1/32'], concurrency: CONCURRENCY });
      const query = { bytes: String(BYTES), wait: String(WAIT) };
      await using bench = await openBenchCluster(brokers);
      const topic = await bench.topic('api-calls');
      await publish(bench.producer, topic, CALLS, eventJson);
      const [engine] = await inTurns(repetitions, [
        () =>
          runUnit(bench, CALLS, {
            topic,
            concurrency: CONCURRENCY,
            handle: async (_event, { signal }) => {
              await api.request({ path: '/file.pdf', query, signal });
              return done();
            },
          }),
      ]);
      return [
        rateRow(
          `calls of an API that takes ${WAIT} ms, ${CONCURRENCY} at once`,
          figure('api', 'call', engine),
          { name: 'the waits alone', unit: 'call', perSecond: (CONCURRENCY * 1000) / WAIT, cpuMicros: null },
          0.95,
        ),
      ];
    } finally {
      await http.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
