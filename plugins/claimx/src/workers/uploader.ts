import { defineWorker, done, isPipelineError, type Objects, output, PermanentError, type Staging } from '@pipeline-host/sdk';
import { withSuffix } from '../blob-path.ts';
import { completedResult, failedResult } from '../results.ts';
import type { CachedDownload } from '../schemas/cached-download.ts';
import type { DownloadTask } from '../schemas/download-task.ts';
import { downloadsCached, downloadsPending, downloadsResults } from '../topics.ts';

/** Stores a staged file under its blob path. The file is released with the record; where it is gone, the work is found done or done again. */
export const uploader = defineWorker({
  consumes: downloadsCached,
  produces: [downloadsResults, downloadsPending],
  concurrency: 25,
  timeout: '15m',
  handle: async (cached, { objects, staging }) => {
    const path = (await storeStaged(cached, objects, staging)) ?? (await findStored(cached, objects));
    // What an older sender calls its path is no file of ours.
    if (cached.sha256 !== null) staging.release(cached.local_cache_path);
    if (path === null) return done([output(downloadsPending, taskAgain(cached), { redo: true, headers: headersOf(cached) })]);
    return done([output(downloadsResults, completedResult(cached, path), { headers: headersOf(cached) })]);
  },
  onDead: (cached, failure) => [output(downloadsResults, failedResult(cached, failure), { headers: headersOf(cached) })],
});

/** The path under which the staged file is stored now, or null where it cannot be had any more. A file without a known hash never can. */
async function storeStaged(cached: CachedDownload, objects: Objects, staging: Staging): Promise<string | null> {
  const { local_cache_path: uri, bytes_downloaded: bytes, sha256, destination_path } = cached;
  if (sha256 === null || !(await staging.has(uri))) return null;
  for (const path of pathsOf(cached, sha256)) {
    try {
      return (await objects.put(path, { uri, bytes, sha256 })).path;
    } catch (error) {
      const code = isPipelineError(error) ? error.code : null;
      if (code === 'PH_STAGING_MISSING' || code === 'PH_STAGING_CHANGED') return null;
      if (code !== 'PH_OBJECT_OCCUPIED') throw error;
    }
  }
  throw new PermanentError('PH_OBJECT_OCCUPIED', `${destination_path} and its other names hold other content`);
}

/** Where a file may lie, in the order in which they are tried: media of one project often share a name, and one may come with other content. */
function pathsOf({ destination_path, media_id }: CachedDownload, sha256: string): readonly string[] {
  return [destination_path, withSuffix(destination_path, media_id), withSuffix(destination_path, `${media_id}_${sha256.slice(0, 16)}`)];
}

/** The path that already holds this content: an earlier try stored it and died before it could say so. */
async function findStored(cached: CachedDownload, objects: Objects): Promise<string | null> {
  const { sha256 } = cached;
  if (sha256 === null) return null;
  for (const path of pathsOf(cached, sha256)) {
    if ((await objects.stat(path))?.sha256 === sha256) return path;
  }
  return null;
}

/** The task that led to this file. */
function taskAgain(cached: CachedDownload): DownloadTask {
  const { trace_id, media_id, project_id, download_url, file_type, file_name, destination_path, refresh_count } = cached;
  return {
    trace_id,
    media_id,
    project_id,
    download_url,
    file_type: file_type ?? '',
    file_name: file_name ?? '',
    blob_path: destination_path,
    retry_count: 0,
    expires_at: null,
    refresh_count,
    metadata: null,
  };
}

function headersOf({ media_id, trace_id }: CachedDownload): Readonly<Record<string, string>> {
  return { media_id, ...(trace_id !== null && { trace_id }) };
}
