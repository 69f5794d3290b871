import { errorText, type Failure, isPipelineError, presignedExpiry, type RecordInfo } from '@pipeline-host/sdk';
import type { CachedDownload } from './schemas/cached-download.ts';
import type { DownloadResult } from './schemas/download-result.ts';
import type { DownloadTask } from './schemas/download-task.ts';
import { attachmentOf } from './schemas/fields.ts';

/** The result of an attachment that is stored at the given path. */
export function completedResult(cached: CachedDownload, blobPath: string): DownloadResult {
  const expiry = presignedExpiry(cached.attachment_url);
  return {
    ...attachmentOf(cached),
    blob_path: blobPath,
    status: 'completed',
    http_status: cached.http_status,
    bytes_downloaded: cached.bytes_downloaded,
    retry_count: 0,
    error_message: null,
    created_at: new Date().toISOString(),
    expires_at: expiry?.toISOString() ?? null,
    expired_at_ingest: expiry === null ? null : false,
  };
}

/** The result of an attachment that is given up. */
export function failedResult(work: DownloadTask | CachedDownload, failure: Failure, record: Pick<RecordInfo, 'timestamp'>): DownloadResult {
  const expiry = presignedExpiry(work.attachment_url);
  return {
    ...attachmentOf(work),
    blob_path: 'blob_path' in work ? work.blob_path : work.destination_path,
    status: 'failed_permanent',
    http_status:
      (isPipelineError(failure.error) ? failure.error.httpStatus : undefined) ?? ('http_status' in work ? work.http_status : null),
    bytes_downloaded: 0,
    retry_count: failure.attempts - 1,
    error_message: errorText(`${failure.code}: ${failure.reason}`),
    created_at: new Date().toISOString(),
    expires_at: expiry?.toISOString() ?? null,
    expired_at_ingest: expiredAtIngest(expiry, failure.attempts, record.timestamp),
  };
}

/** A retried record is younger than the task it copies: a link that has ended since then may have lived at ingest. */
function expiredAtIngest(expiry: Date | null, attempts: number, sentAt: number): boolean | null {
  if (expiry === null) return null;
  if (expiry.getTime() > sentAt) return false;
  return attempts === 1 ? true : null;
}
