import assert from 'node:assert/strict';
import { errorMessage, isPipelineError, type Outcome } from '@pipeline-host/sdk';
import { type CachedDownload, downloadsCached } from '../../plugins/claimx/src/index.ts';
import type { DownloadTask } from '../../plugins/claimx/src/schemas/download-task.ts';
import { mediaAnswer, PROJECT, TRACE } from './samples.ts';
import { type ContextOptions, sent, type WorkerKit, workerOf } from './worker-kit.ts';

export const JPEG = 'as good as a picture';
export const PICTURE = { text: JPEG, headers: { 'content-type': 'image/jpeg' } };
export const FRESH = '/p/fresh.jpg';

/** A link of the media server that ends so many seconds from now. */
export function link({ api }: WorkerKit, path = '/p/roof.jpg', seconds = 3_600): string {
  const at = new Date(Date.now() - 60_000).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${api.origin}${path}?X-Amz-Date=${at}&X-Amz-Expires=${60 + seconds}&X-Amz-Signature=s3cret`;
}

export function task(kit: WorkerKit, given: Partial<DownloadTask> = {}): DownloadTask {
  return {
    media_id: '88231190',
    project_id: PROJECT,
    download_url: link(kit),
    blob_path: `${PROJECT}/media/roof.jpg`,
    file_type: 'jpg',
    file_name: 'roof.jpg',
    trace_id: TRACE,
    retry_count: 0,
    expires_at: null,
    refresh_count: 0,
    metadata: null,
    ...given,
  };
}

/** What the worker says of a message; a thrown error is a retry, as the host takes it. */
export async function handle(kit: WorkerKit, worker: string, message: unknown, options?: ContextOptions): Promise<Outcome> {
  try {
    return (await workerOf(worker).handle?.(message, kit.contextOf(options))) ?? assert.fail('no outcome');
  } catch (error) {
    return { kind: 'retry', error, after: undefined };
  }
}
export const download = (kit: WorkerKit, given: Partial<DownloadTask> = {}, options?: ContextOptions) =>
  handle(kit, 'downloader', task(kit, given), options);

export async function cachedOf(kit: WorkerKit, given: Partial<DownloadTask> = {}): Promise<CachedDownload> {
  const outcome = await download(kit, given);
  const [cached] = sent(outcome, downloadsCached);
  assert.ok(cached !== undefined, outcome.kind === 'retry' ? errorMessage(outcome.error) : outcome.kind);
  return cached;
}
export function failure(outcome: Outcome): { readonly code: string; readonly kind: string; readonly after: unknown } {
  assert.ok(outcome.kind === 'retry' && isPipelineError(outcome.error), JSON.stringify(outcome));
  return { code: outcome.error.code, kind: outcome.error.kind, after: outcome.after };
}

/** The media server has the file under the given path, and the API gives that link out. */
export function serveFresh(kit: WorkerKit): void {
  kit.api.answer(`GET ${FRESH}`, PICTURE);
  kit.api.answer('GET /export/project', { json: [{ ...mediaAnswer[0], fullDownloadLink: link(kit, FRESH) }] });
}
export const apiCalls = (kit: WorkerKit) => kit.api.lines().filter((line) => line.includes('/export/'));
