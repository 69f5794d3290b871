import type { FaultHooks } from './faults.ts';

export type BrokerLog = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void;

export interface EmbeddedBrokerOptions {
  /** Holds everything the broker knows; made if absent. All processes that name the same folder share one broker. */
  readonly dataDir: string;
  /** Address to listen on, `127.0.0.1` by default. Without `sasl` anyone who reaches it may do everything. */
  readonly host?: string;
  /** 0, the default, takes a free port. */
  readonly port?: number;
  /** What clients are told to connect to; by default the address they reached the broker by. */
  readonly advertisedHost?: string;
  /** When an acknowledged record is on disk: within 50 ms (`interval`, the default), or before it is acknowledged (`always`). */
  readonly fsync?: 'interval' | 'always';
  /** Largest record batch of a topic that sets no `max.message.bytes`; 1,048,588 by default, as in Kafka. */
  readonly maxMessageBytes?: number;
  /** Largest request; 100 MB by default. A connection that announces more is closed. */
  readonly maxRequestBytes?: number;
  /** Size at which a topic that sets no `segment.bytes` begins a new file; 64 MB by default. */
  readonly segmentBytes?: number;
  /** How often retention is applied; 30 s by default. */
  readonly retentionCheckMs?: number;
  /** Makes a topic that a client asks for and that is not there, with one partition. Off by default: a typo should be an error. */
  readonly autoCreateTopics?: boolean;
  /** SASL PLAIN: name and password of everyone who may connect. */
  readonly sasl?: { readonly users: Readonly<Record<string, string>> };
  /** PEM texts. `ca` is only used to check on a broker that is already running. */
  readonly tls?: { readonly key: string | Buffer; readonly cert: string | Buffer; readonly ca?: string | Buffer };
  readonly log?: BrokerLog;
}

export interface EmbeddedBroker {
  /** False when another process owns the data folder and this one only found it. */
  readonly owner: boolean;
  /** `host:port` to connect to. */
  readonly address: string;
  readonly clusterId: string;
  /** Disturbances for tests; they only take effect on the owner. */
  readonly faults: FaultHooks;
  /** Flushes, stops and lets another process own the folder. Does nothing where another process is the owner. */
  close(): Promise<void>;
}

export type BrokerSettings = Required<Omit<EmbeddedBrokerOptions, 'sasl' | 'tls' | 'advertisedHost'>> &
  Pick<EmbeddedBrokerOptions, 'sasl' | 'tls' | 'advertisedHost'>;

export function resolveSettings(options: EmbeddedBrokerOptions): BrokerSettings {
  return {
    host: '127.0.0.1',
    port: 0,
    fsync: 'interval',
    maxMessageBytes: 1_048_588,
    maxRequestBytes: 100 << 20,
    segmentBytes: 64 << 20,
    retentionCheckMs: 30_000,
    autoCreateTopics: false,
    log: () => {},
    ...options,
  };
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
