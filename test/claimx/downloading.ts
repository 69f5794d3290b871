import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { isPipelineError } from '@pipeline-host/sdk';
import type { HandledMessage, RecordOptions } from '../../host/src/testing/index.ts';
import { type CachedDownload, downloadsCached } from '../../plugins/claimx/src/index.ts';
import type { DownloadTask } from '../../plugins/claimx/src/schemas/download-task.ts';
import { mediaAnswer, PROJECT, TRACE } from './samples.ts';
import type { Workers } from './workers.ts';

export const JPEG = 'as good as a picture';
export const PICTURE = { text: JPEG, headers: { 'content-type': 'image/jpeg' } };
export const FRESH = '/p/fresh.jpg';

/** A link of the media server that ends so many seconds from now. */
export function link({ api }: Workers, path = '/p/roof.jpg', seconds = 3_600): string {
  const at = new Date(Date.now() - 60_000).toISOString().replace(/[-:]|\.\d+/g, '');
  return `${api.origin}${path}?X-Amz-Date=${at}&X-Amz-Expires=${60 + seconds}&X-Amz-Signature=s3cret`;
}

export function task(kit: Workers, given: Partial<DownloadTask> = {}): DownloadTask {
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

export const download = (kit: Workers, given: Partial<DownloadTask> = {}, record?: RecordOptions) =>
  kit.handle('downloader', task(kit, given), record);

export async function cachedOf(kit: Workers, given: Partial<DownloadTask> = {}): Promise<CachedDownload> {
  const { outcome, reason, sentTo } = await download(kit, given);
  const [cached] = sentTo(downloadsCached);
  assert.ok(cached !== undefined, `${outcome}: ${reason}`);
  return cached;
}
export function failure({
  outcome,
  error,
}: HandledMessage): Pick<HandledMessage, 'outcome'> & { readonly code: string; readonly kind: string } {
  assert.ok(isPipelineError(error), outcome);
  return { outcome, code: error.code, kind: error.kind };
}

/** The media server has the file under the given path, and the API gives that link out. */
export function serveFresh(kit: Workers): void {
  kit.api.answer(`GET ${FRESH}`, PICTURE);
  kit.api.answer('GET /export/project', { json: [{ ...mediaAnswer[0], fullDownloadLink: link(kit, FRESH) }] });
}
export const sha256 = (text: string) => createHash('sha256').update(text).digest('hex');
export const apiCalls = (kit: Workers) => kit.api.lines().filter((line) => line.includes('/export/'));
