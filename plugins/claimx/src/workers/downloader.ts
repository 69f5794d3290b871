import { defineWorker, done, isPipelineError, output, retry } from '@pipeline-host/sdk';
import { ClaimXConfig } from '../config.ts';
import { services } from '../services.ts';
import { downloadsCached, downloadsPending } from '../topics.ts';
import { downloadByLink } from './link-download.ts';

/** Fetches a media file into the staging area. */
export const downloader = defineWorker({
  consumes: downloadsPending,
  produces: [downloadsCached],
  config: ClaimXConfig,
  services,
  concurrency: 40,
  // A large file may take its time: idleTimeout and minimumRate end a download that is stuck.
  timeout: '1h',
  handle: async (task, context) => {
    try {
      const { file, url, refreshCount } = await downloadByLink(task, context);
      const { trace_id, media_id, project_id, file_type, file_name, blob_path } = task;
      const cached = {
        trace_id,
        media_id,
        project_id,
        download_url: url,
        file_type: file_type ?? '',
        file_name: file_name ?? '',
        destination_path: blob_path,
        local_cache_path: file.uri,
        bytes_downloaded: file.bytes,
        sha256: file.sha256,
        content_type: file.contentType,
        refresh_count: refreshCount,
        downloaded_at: new Date().toISOString(),
      };
      return done([output(downloadsCached, cached, { headers: { media_id, ...(trace_id !== null && { trace_id }) } })]);
    } catch (error) {
      // A file that storage does not have is no sign of an outage, however many there are.
      if (isPipelineError(error) && error.code === 'CLAIMX_FILE_REFUSED') return retry(error, { after: 1 });
      throw error;
    }
  },
});
