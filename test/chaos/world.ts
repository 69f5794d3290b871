import { fileURLToPath } from 'node:url';
import type { SourceMessage, Sum } from '@pipeline-host/sdk';
import { AttachmentServer } from '../../plugins/xact/simulation/attachment-server.ts';
import type { Attachment, Behaviour } from '../../plugins/xact/simulation/attachments.ts';
import { generateEvents, type PlannedEvent } from '../../plugins/xact/simulation/events.ts';
import { Expectations } from '../../plugins/xact/simulation/sums.ts';
import { openPipeline, type Pipeline } from '../integration/pipeline.ts';

const XACT = fileURLToPath(new URL('../../plugins/xact', import.meta.url));
/** Few enough that each key has many events: order is only seen between events of one key. */
const KEYS = 200;
/** Of the file server: so that downloads are under way whenever a downloader ends. */
const LATENCY = 150;
/** So long a member is waited for that says nothing. */
const SESSION_TIMEOUT = '3s';

/** An event that was sent: the `position`th of all, under this key. */
export interface SentEvent {
  readonly position: number;
  readonly key: string;
  readonly event: PlannedEvent;
}

/** xact on a broker, with its file server and events. Unlike the simulation of the demo it remembers what it sent, and what the server was asked. */
export interface ChaosWorld extends AsyncDisposable {
  readonly pipeline: Pipeline;
  readonly sent: readonly SentEvent[];
  publish(events: number): Promise<void>;
  sums(): Promise<readonly Sum[]>;
  /** By path: what the server holds and how often it was asked for it. */
  downloads(): readonly { readonly path: string; readonly behaviour: Behaviour; readonly asked: number }[];
}

export async function openChaosWorld(options: {
  readonly address: string;
  readonly seed: number;
  readonly http: object;
}): Promise<ChaosWorld> {
  const server = await AttachmentServer.start({ latency: LATENCY });
  const delays = { retry: { delays: ['500ms', '1s', '2s'] } };
  const pipeline = await openPipeline({
    brokers: [options.address],
    plugin: 'xact',
    root: XACT,
    settings: {
      config: { allowedHosts: [server.host], schemes: ['http', 'https'], privateRanges: ['127.0.0.1/32'] },
      workers: {
        downloader: delays,
        uploader: delays,
        'event-writer': { flush: { age: '1s' } },
        'result-processor': { flush: { age: '1s' } },
      },
    },
    config: { kafka: { sessionTimeout: SESSION_TIMEOUT, partitions: 6 }, http: options.http },
  });
  const events = generateEvents(options.seed, `http://${server.host}`);
  const expectations = new Expectations();
  const attachments = new Map<string, Attachment>();
  const sent: SentEvent[] = [];

  const next = (): SourceMessage => {
    const event = events.next().value as PlannedEvent;
    const position = sent.length;
    const key = `key-${(position * 7919) % KEYS}`;
    expectations.add(event);
    for (const attachment of event.attachments) {
      server.hold(attachment);
      attachments.set(attachment.path, attachment);
    }
    sent.push({ position, key, event });
    return { ...event.message, key };
  };
  return {
    pipeline,
    sent,
    async publish(count) {
      const producer = await pipeline.producer();
      const { topic } = pipeline.worker('ingester').consumes ?? { topic: '' };
      const records = Array.from({ length: count }, next).map(({ key, value }) => ({
        topic,
        key,
        value: typeof value === 'string' ? value : Buffer.from(value),
      }));
      await producer.sendAll(records);
    },
    sums: () => expectations.check(pipeline.results()),
    downloads: () => [...attachments.values()].map(({ path, behaviour }) => ({ path, behaviour, asked: server.asked(path) })),
    async [Symbol.asyncDispose]() {
      await pipeline[Symbol.asyncDispose]();
      await server[Symbol.asyncDispose]();
    },
  };
}
