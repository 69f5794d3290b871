import { errorText, type Failure } from '@pipeline-host/sdk';
import type { CachedDownload } from './schemas/cached-download.ts';
import type { UploadResult } from './schemas/upload-result.ts';

/** The result of a file that is stored at the given path. */
export function completedResult(cached: CachedDownload, blobPath: string): UploadResult {
  return { ...resultOf(cached), blob_path: blobPath, status: 'completed', bytes_uploaded: cached.bytes_downloaded, error_message: null };
}

/** The result of a file that is given up. */
export function failedResult(cached: CachedDownload, { code, reason }: Failure): UploadResult {
  return {
    ...resultOf(cached),
    blob_path: cached.destination_path,
    status: 'failed_permanent',
    bytes_uploaded: 0,
    error_message: errorText(`${code}: ${reason}`),
  };
}

/** These fields alone: what else a sender put into a message goes no further. */
function resultOf({ trace_id, media_id, project_id, download_url, file_type, file_name, content_type, downloaded_at }: CachedDownload) {
  return {
    trace_id,
    media_id,
    project_id,
    download_url,
    file_type: file_type ?? '',
    file_name: file_name ?? '',
    content_type,
    downloaded_at,
    created_at: new Date().toISOString(),
  };
}
