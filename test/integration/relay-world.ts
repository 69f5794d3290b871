import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { decodeAhead } from '../../host/src/engine/intake/commit-metadata.ts';
import type { OutgoingRecord } from '../../host/src/kafka/driver.ts';
import { unique } from '../host/kafka/contract-kit.ts';
import type { Step, Work } from './fixtures/relay/index.ts';
import { openPipeline, type Pipeline, type PipelineOptions } from './pipeline.ts';

const RELAY = fileURLToPath(new URL('./fixtures/relay', import.meta.url));

export interface RelayWorldOptions {
  /** See {@link PipelineOptions}. */
  readonly brokers: PipelineOptions['brokers'];
  readonly onlooker?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Partitions of its topics. 4 by default. */
  readonly partitions?: number;
  /** `plugins.relay.workers`. */
  readonly workers?: Readonly<Record<string, object>>;
  /** Further settings of the plugin. */
  readonly settings?: Readonly<Record<string, unknown>>;
  readonly token?: string;
  readonly config?: Readonly<Record<string, unknown>> & { readonly kafka?: object };
}

/** The plugin of fixtures/relay: `work` → relay → `relayed`, with a table behind each. */
export interface RelayWorld extends Pipeline {
  /** Physical name of the source topic. */
  readonly source: string;
  /** What the handlers of all processes did, in one order. */
  journal(): readonly Step[];
  openGate(name: string): void;
  /** The API that handlers ask is `unavailable`, or `failing` each request, until it is up again. */
  breakApi(how: 'unavailable' | 'failing'): void;
  mendApi(): void;
  /** Sends messages to the source topic; `record` is laid over each. */
  send(messages: readonly (Partial<Work> & Pick<Work, 'key' | 'n'>)[], record?: Partial<OutgoingRecord>): Promise<void>;
  /** The numbers that were relayed, sorted, each as often as it is there. */
  relayed(): Promise<readonly number[]>;
  /** How often the handler of each number was begun. */
  starts(): ReadonlyMap<number, number>;
  /** Offsets that the group of `relay` has stored as settled on a partition, below and above the committed one. */
  stored(topic: string, partition?: number): Promise<{ readonly committed: number; readonly ahead: readonly number[] }>;
  /** The numbers in a table, sorted, each as often as it is there. */
  numbersIn(table: 'relay_log' | 'relay_latest' | 'relay_once'): Promise<readonly number[]>;
}

export async function openRelayWorld(options: RelayWorldOptions): Promise<RelayWorld> {
  const { brokers, onlooker, env, partitions = 4, workers, settings, token, config } = options;
  const folder = mkdtempSync(join(tmpdir(), 'relay-'));
  const journal = join(folder, 'journal');
  const gates = join(folder, 'gates');
  mkdirSync(gates);
  writeFileSync(journal, '');
  if (token !== undefined) writeFileSync(join(folder, 'token'), token);
  const pipeline = await openPipeline({
    brokers,
    ...(onlooker !== undefined && { onlooker }),
    ...(env !== undefined && { env }),
    plugin: 'relay',
    root: RELAY,
    settings: {
      prefix: unique('relay'),
      config: { journal, gates, ...(token !== undefined && { token: `\${file:${join(folder, 'token')}}` }) },
      // Messages say themselves whether they fail: many that do are no outage, unless a test says so.
      workers: { ...workers, relay: { outage: { share: 1 }, ...workers?.['relay'] } },
      ...settings,
    },
    config: { ...config, kafka: { partitions, ...config?.kafka } },
  });
  const consumed = pipeline.worker('relay').consumes;
  const output = pipeline.worker('keeper').consumes;
  if (consumed === null || output === null) throw new Error('the workers of relay consume topics');
  const journalled = (): readonly Step[] =>
    readFileSync(journal, 'utf8')
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Step);
  const sorted = (values: readonly unknown[]): readonly number[] => values.map(Number).sort((left, right) => left - right);
  return {
    ...pipeline,
    source: consumed.topic,
    journal: journalled,
    starts: () => {
      const counts = new Map<number, number>();
      for (const { step, n } of journalled()) if (step === 'start') counts.set(n, (counts.get(n) ?? 0) + 1);
      return counts;
    },
    async stored(topic, partition = 0) {
      const found = await (await pipeline.admin()).committed(pipeline.worker('relay').group, [topic]);
      const { offset = null, metadata = null } = found.find((one) => one.partition === partition) ?? {};
      const committed = offset ?? 0;
      const spans = decodeAhead(committed, metadata ?? '') ?? [];
      return { committed, ahead: spans.flatMap(({ from, to }) => Array.from({ length: to - from }, (_, index) => from + index)) };
    },
    openGate: (name) => writeFileSync(join(gates, name), ''),
    breakApi: (how) => writeFileSync(join(gates, `api-${how}`), ''),
    mendApi: () => {
      for (const how of ['unavailable', 'failing']) rmSync(join(gates, `api-${how}`), { force: true });
    },
    async send(messages, record = {}) {
      const producer = await pipeline.producer(consumed.cluster);
      await producer.sendAll(
        messages.map((message) => ({ topic: consumed.topic, key: message.key, value: JSON.stringify(message), ...record })),
      );
    },
    async relayed() {
      const records = await (await pipeline.cluster(output.cluster)).read({ topic: output.topic });
      return sorted(records.map(({ value }) => (JSON.parse(String(value)) as Work).n));
    },
    async numbersIn(table) {
      return sorted((await pipeline.results().rows(table, ['n'])).map(({ n }) => n));
    },
    async [Symbol.asyncDispose]() {
      await pipeline[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Numbers from 0 up. */
export const numbers = (count: number): readonly number[] => Array.from({ length: count }, (_, n) => n);
