import assert from 'node:assert/strict';
import { fileURLToPath } from 'node:url';
import type { RunningSimulation, SourceMessage, Sum } from '@pipeline-host/sdk';
import simulation from '../../plugins/xact/simulation/index.ts';
import { unique } from '../host/kafka/contract-kit.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

const XACT = fileURLToPath(new URL('../../plugins/xact', import.meta.url));

export const XACT_WORKERS = ['ingester', 'downloader', 'uploader', 'result-processor', 'event-writer'] as const;

export interface XactWorldOptions {
  readonly brokers: readonly string[];
  readonly seed?: number;
  readonly messages?: number;
  /** Laid over the simulation's settings of the plugin. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly config?: { readonly kafka?: object } & Readonly<Record<string, unknown>>;
}

/** The xact pipeline with its simulated world: a file server and source events from one seed. */
export interface XactWorld extends Pipeline {
  readonly simulation: RunningSimulation;
  /** Physical name of a topic of xact, by its name without prefix. */
  topic(name: string): string;
  /** Sends messages of the simulation; all of them by default. */
  publish(messages?: Iterable<SourceMessage>): Promise<number>;
  sums(): Promise<readonly Sum[]>;
  /** Fails with every sum that does not hold. */
  assertSums(): Promise<void>;
}

export async function openXactWorld({ brokers, seed = 1, messages, settings, config }: XactWorldOptions): Promise<XactWorld> {
  const running = await simulation.start({ seed, messages, log: { debug() {}, info() {}, warn: console.error, error: console.error } });
  const pipeline = await openPipeline({
    brokers,
    plugin: 'xact',
    root: XACT,
    settings: { prefix: unique('xact'), ...running.config, ...settings },
    ...(config !== undefined && { config }),
  }).catch(async (error: unknown) => {
    // Its server would keep the test's process alive.
    await running.stop();
    throw error;
  });
  const topics = new Map(
    pipeline.topology.workers.flatMap(({ consumes }) => (consumes === null ? [] : [[consumes.definition.name, consumes]])),
  );
  const resolved = (name: string) => {
    const topic = topics.get(name);
    assert.ok(topic, `no topic ${name}`);
    return topic;
  };
  const sums = (): Promise<readonly Sum[]> => running.sums(pipeline.results());
  return {
    ...pipeline,
    simulation: running,
    topic: (name) => resolved(name).topic,
    async publish(given) {
      const sent: Promise<void>[] = [];
      for await (const { topic, key, value } of given ?? running.messages()) {
        const { topic: name, cluster } = resolved(topic);
        const producer = await pipeline.producer(cluster);
        sent.push(producer.send({ topic: name, key, value: typeof value === 'string' ? value : Buffer.from(value) }));
      }
      await Promise.all(sent);
      return sent.length;
    },
    sums,
    async assertSums() {
      const wrong = (await sums()).filter(({ expected, actual }) => expected !== actual);
      assert.deepEqual(wrong, []);
    },
    async [Symbol.asyncDispose]() {
      await pipeline[Symbol.asyncDispose]();
      await running.stop();
    },
  };
}
