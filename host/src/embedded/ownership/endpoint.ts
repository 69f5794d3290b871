import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { EmbeddedBrokerOptions } from '../options.ts';
import { replaceFile } from '../storage/atomic-file.ts';

/** How the owner runs the broker. Whoever takes over in mid-run goes on in the same way. */
export type Manner = Required<Pick<EmbeddedBrokerOptions, 'profile' | 'fsync' | 'commitMetadata'>>;

/** Where the owner of a data folder can be reached, or could be: whether one lives is told by the lock and by asking. The next owner takes the same port. */
export interface Endpoint {
  readonly pid: number;
  /** ISO time. */
  readonly startedAt: string;
  readonly host: string;
  readonly port: number;
  readonly clusterId: string;
  readonly manner: Partial<Manner>;
}

export function writeEndpoint(dataDir: string, endpoint: Endpoint): void {
  replaceFile(pathOf(dataDir), `${JSON.stringify(endpoint)}\n`);
}

/** Undefined where there is none or it cannot be understood. */
export function readEndpoint(dataDir: string): Endpoint | undefined {
  try {
    const value = JSON.parse(readFileSync(pathOf(dataDir), 'utf8')) as Partial<Endpoint>;
    const { host, port, clusterId, pid, startedAt, manner } = value;
    if (typeof host !== 'string' || typeof port !== 'number' || typeof clusterId !== 'string') return undefined;
    return { host, port, clusterId, pid: pid ?? 0, startedAt: startedAt ?? '', manner: manner ?? {} };
  } catch {
    return undefined;
  }
}

function pathOf(dataDir: string): string {
  return join(dataDir, 'endpoint.json');
}
