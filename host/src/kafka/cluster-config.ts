import type { Compression } from './wire/codecs.ts';

/** PEM texts, not paths. */
export interface TlsConfig {
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
  readonly servername?: string;
  readonly rejectUnauthorized?: boolean;
}

export type SaslConfig =
  | {
      readonly mechanism: 'plain' | 'scram-sha-256' | 'scram-sha-512';
      readonly username: string;
      readonly password: string;
    }
  /** `token` is asked again for each new connection and before a session ends. */
  | {
      readonly mechanism: 'oauthbearer';
      readonly token: () => Promise<string>;
    };

/** Milliseconds, where a cluster's config says nothing else. */
export const SESSION_TIMEOUT = 6_000;

/** How to reach one Kafka cluster. */
export interface ClusterConfig {
  /** The name in the configuration, for logs and errors. */
  readonly name: string;
  /** `host:port`, at least one. Read again for each connection and each message: an embedded broker may move. */
  readonly brokers: readonly string[];
  readonly clientId: string;
  /** `true` trusts the system's authorities. */
  readonly tls?: TlsConfig | true;
  readonly sasl?: SaslConfig;
  /** Milliseconds without heartbeat until a member is thrown out of its group; a consumer's own option wins. 6,000 by default. */
  readonly sessionTimeout?: number;
  /** Of what is produced; none by default. */
  readonly compression?: Compression;
  /** Of topics that are created; -1, the broker's own, by default. */
  readonly replicationFactor?: number;
}
