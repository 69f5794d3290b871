import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Http, Log, UrlPolicy } from '@pipeline-host/sdk';
import { createHttp, type HttpOptions } from '../../../host/src/http/http-service.ts';
import { openStaging, type StagingArea } from '../../../host/src/storage/staging.ts';

export const quietLog: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** Lets tests reach the given loopback servers and nothing else. */
export function loopback(...hosts: readonly string[]): UrlPolicy {
  return { hosts, schemes: ['http', 'https'], privateRanges: ['127.0.0.1/32'] };
}

export interface HttpFixture extends AsyncDisposable {
  readonly http: Http & { close(): Promise<void> };
  readonly staging: StagingArea;
  /** Files and folders in the staging area, but for its own. */
  leftovers(): Promise<string[]>;
}

/** The HTTP service over a fresh staging area. */
export async function openHttp(options: Partial<HttpOptions> = {}): Promise<HttpFixture> {
  const folder = await mkdtemp(join(tmpdir(), 'ph-http-'));
  const staging = options.staging ?? (await openStaging(folder));
  const http = createHttp({ staging, log: quietLog, userAgent: 'pipeline-host-test', ...options });
  return {
    http,
    staging,
    leftovers: async () => (await readdir(staging.root)).filter((name) => name !== '.area.json'),
    async [Symbol.asyncDispose]() {
      await http.close();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
