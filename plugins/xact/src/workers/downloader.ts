import { dead, defineWorker, done, milliseconds, output, presignedExpiry } from '@pipeline-host/sdk';
import { typedName } from '../attachment-url.ts';
import { XactConfig } from '../config.ts';
import { failedResult } from '../results.ts';
import { attachmentOf } from '../schemas/fields.ts';
import { downloadsCached, downloadsPending, downloadsResults } from '../topics.ts';

/** Fetches an attachment into the staging area. What can never be fetched becomes a `failed_permanent` result beside its dead letter. */
export const downloader = defineWorker({
  consumes: downloadsPending,
  produces: [downloadsCached, downloadsResults],
  config: XactConfig,
  concurrency: 20,
  // A large file may take its time: idleTimeout and minimumRate end a download that is stuck.
  timeout: '1h',
  handle: async (task, { config, http, signal }) => {
    const expiry = presignedExpiry(task.attachment_url);
    if (expiry !== null && expiry.getTime() <= Date.now()) return dead('XACT_URL_EXPIRED', `the link ended at ${expiry.toISOString()}`);
    const file = await http.download({
      url: task.attachment_url,
      fileName: typedName(task.attachment_url),
      policy: { hosts: config.allowedHosts, schemes: config.schemes, privateRanges: config.privateRanges },
      fileTypes: { types: config.fileTypes },
      maxBytes: config.maxBytes,
      idleTimeout: milliseconds(config.idleTimeout),
      minimumRate: config.minimumRate,
      signal,
    });
    return done([
      output(downloadsCached, {
        ...attachmentOf(task),
        destination_path: task.blob_path,
        local_cache_path: file.uri,
        bytes_downloaded: file.bytes,
        sha256: file.sha256,
        content_type: file.contentType,
        http_status: file.httpStatus,
        event_type: 'xact',
        event_subtype: task.event_subtype,
        original_timestamp: task.original_timestamp,
        metadata: task.metadata,
        downloaded_at: new Date().toISOString(),
      }),
    ]);
  },
  onDead: (task, failure, { record }) => [output(downloadsResults, failedResult(task, failure, record))],
});
