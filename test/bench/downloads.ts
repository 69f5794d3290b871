import { createHash, randomUUID } from 'node:crypto';
import { createWriteStream, mkdtempSync, rmSync } from 'node:fs';
import { unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { done, type Http } from '@pipeline-host/sdk';
import { request } from 'undici';
import { createHttp } from '../../host/src/http/http-service.ts';
import { openStaging } from '../../host/src/storage/staging.ts';
import { type Bench, type Row, rateRow } from './bench.ts';
import { openBenchCluster, publish } from './bench-cluster.ts';
import { eventJson } from './events.ts';
import { type FileServer, startFileServer } from './file-server-process.ts';
import { figure, inTurns, timed } from './measure.ts';
import { runUnit } from './unit-run.ts';

const MANY = { files: 2_000, bytes: 100_000, wait: 50, concurrency: 20 } as const;
const LARGE = { files: 40, bytes: 16_000_000, concurrency: 4 } as const;

/** Many small files of a slow server through the engine, and large ones of a fast server beside bare undici. */
export const downloads: Bench = {
  name: 'downloads',
  usesKafka: true,
  async run({ brokers, repetitions }): Promise<readonly Row[]> {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-downloads-'));
    const staging = await openStaging(join(folder, 'staging'));
    const log = { debug() {}, info() {}, warn() {}, error() {} };
    const http = createHttp({ staging, log, userAgent: 'pipeline-host-bench' });
    try {
      await using server = await startFileServer();
      const fetched = fetcher(http, server, (uri) => staging.delete(uri));
      return [...(await many(brokers, repetitions, folder, server, fetched)), await large(repetitions, folder, server, fetched)];
    } finally {
      await http.close();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

type Fetch = (url: string) => Promise<void>;

/** A download as a handler has it. The file goes behind its back, as it does when the record of its uploader is committed. */
function fetcher(http: Http, server: FileServer, remove: (uri: string) => Promise<void>): Fetch {
  const policy = { hosts: [server.host], schemes: ['http'], privateRanges: ['127.0.0.1/32'] } as const;
  return async (url) => {
    const { uri } = await http.download({ url, fileName: 'file.pdf', policy });
    void remove(uri);
  };
}

async function many(
  brokers: readonly string[],
  repetitions: number,
  folder: string,
  server: FileServer,
  fetched: Fetch,
): Promise<readonly Row[]> {
  await using bench = await openBenchCluster(brokers);
  const topic = await bench.topic('downloads');
  await publish(bench.producer, topic, MANY.files, eventJson);
  const url = server.url(MANY.bytes, MANY.wait);
  const bare = bareFetcher(folder);
  const [engine, raw] = await inTurns(repetitions, [
    () =>
      runUnit(bench, MANY.files, {
        topic,
        concurrency: MANY.concurrency,
        handle: async () => {
          await fetched(url);
          return done();
        },
      }),
    () => timed(MANY.files, () => atOnce(MANY.concurrency, MANY.files, () => bare(url))),
  ]);
  const what = `downloads of 100 kB, ${MANY.concurrency} at once, from a server that takes ${MANY.wait} ms`;
  const ours = figure('downloads', 'file', engine);
  const waits = { name: 'the waits alone', unit: 'file', perSecond: (MANY.concurrency * 1000) / MANY.wait, cpuMicros: null };
  return [
    rateRow(what, ours, waits, 0.95),
    rateRow(`${what}, on the disk for sure`, ours, figure('bare undici with SHA-256 to the disk, not synced', 'file', raw), 0.95),
  ];
}

async function large(repetitions: number, folder: string, server: FileServer, fetched: Fetch): Promise<Row> {
  const url = server.url(LARGE.bytes, 0);
  const megabytes = (LARGE.files * LARGE.bytes) / 1e6;
  const all = (fetch: Fetch) => () => timed(megabytes, () => atOnce(LARGE.concurrency, LARGE.files, () => fetch(url)));
  const [raw, ours] = await inTurns(repetitions, [all(bareFetcher(folder)), all(fetched)]);
  return rateRow(
    'downloads of 16 MB, 4 at once, hashed, on the disk for sure',
    figure('downloads', 'MB', ours),
    figure('bare undici with SHA-256 to the disk, not synced', 'MB', raw),
    0.8,
  );
}

/** Calls so often, so many calls at once. */
async function atOnce(concurrency: number, times: number, call: () => Promise<void>): Promise<void> {
  let left = times;
  await Promise.all(
    Array.from({ length: concurrency }, async () => {
      while (left-- > 0) await call();
    }),
  );
}

/** A download without the host: to a new file in the folder, which goes behind its back. */
function bareFetcher(folder: string): Fetch {
  return async (url) => {
    const path = join(folder, randomUUID());
    await downloadBare(url, path);
    void unlink(path);
  };
}

async function downloadBare(url: string, path: string): Promise<string> {
  const { body } = await request(url);
  const hash = createHash('sha256');
  const hashed = new Transform({
    transform(chunk: Buffer, _encoding, next) {
      hash.update(chunk);
      next(null, chunk);
    },
  });
  await pipeline(body, hashed, createWriteStream(path));
  return hash.digest('hex');
}
