import type { FaultHooks } from './faults.ts';
import { type BrokerProfile, type CommitMetadata, PROFILES, type ProfileName } from './profiles/profile.ts';

export type BrokerLog = (level: 'info' | 'warn' | 'error', message: string, fields?: Record<string, unknown>) => void;

export interface EmbeddedBrokerOptions {
  /** Holds everything the broker knows; made if absent. All processes that name the same folder share one broker. */
  readonly dataDir: string;
  /** What is offered and refused: that of Kafka 4 (`kafka4`, the default) or of an Event Hubs namespace (`eventhubs`). */
  readonly profile?: ProfileName;
  /** Topics to make at the start where they are missing: partitions by name. The only ones where the profile lets no client make any. */
  readonly topics?: Readonly<Record<string, number>>;
  /** `drop` forgets the metadata of commits, as some services do; `keep` is the default. */
  readonly commitMetadata?: CommitMetadata;
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
  /** Largest request; that of the profile by default. A connection that announces more is closed. */
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

/**
 * A data folder's broker as one of its processes sees it. Who owns it may change at any time: when the owner goes, however it
 * goes, one of the others takes over data and, where it is free, port.
 */
export interface EmbeddedBroker {
  /** True while this process owns the data folder; false while it only found another that does. */
  readonly owner: boolean;
  /** `host:port` to connect to, as of now. */
  readonly address: string;
  readonly clusterId: string;
  /** Disturbances for tests; they only take effect on the owner. */
  readonly faults: FaultHooks;
  /** An owner flushes, stops and lets another process own the folder; any other no longer takes part. */
  close(): Promise<void>;
}

export type BrokerSettings = Required<Omit<EmbeddedBrokerOptions, 'sasl' | 'tls' | 'advertisedHost' | 'profile'>> &
  Pick<EmbeddedBrokerOptions, 'sasl' | 'tls' | 'advertisedHost'> & { readonly profile: BrokerProfile };

export function resolveSettings(options: EmbeddedBrokerOptions): BrokerSettings {
  const profile = PROFILES[options.profile ?? 'kafka4'];
  return {
    host: '127.0.0.1',
    port: 0,
    topics: {},
    commitMetadata: 'keep',
    fsync: 'interval',
    maxMessageBytes: 1_048_588,
    maxRequestBytes: profile.maxRequestBytes,
    segmentBytes: 64 << 20,
    retentionCheckMs: 30_000,
    autoCreateTopics: false,
    log: () => {},
    ...options,
    profile,
  };
}

export function formatAddress(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}
