import { defineWorker, done, output, skip } from '@pipeline-host/sdk';
import { blobNameOf } from '../blob-path.ts';
import { XactConfig } from '../config.ts';
import { mediaIdOf } from '../ids.ts';
import type { DownloadTask } from '../schemas/download-task.ts';
import { attachmentUrls, type EventMessage, statusSubtypeOf } from '../schemas/event.ts';
import { downloadsPending, eventsRaw } from '../topics.ts';

/** Turns an event into one download task for each of its attachments. Whether a URL may be asked is the downloader's question. */
export const ingester = defineWorker({
  consumes: eventsRaw,
  produces: [downloadsPending],
  config: XactConfig,
  concurrency: 50,
  handle: (event, { config }) => {
    const urls = new Set(attachmentUrls(event.data.attachments));
    if (urls.size === 0) return skip('no attachments');
    const assignmentId = event.data.assignmentId;
    if (assignmentId === null) return skip('attachments without an assignment id');
    return done(
      [...urls].map((url) => {
        const task = taskOf(event, url, assignmentId, config);
        return output(downloadsPending, task, { headers: { trace_id: task.trace_id, media_id: task.media_id } });
      }),
    );
  },
});

/** The task of one attachment, the same each time it is made. */
export function taskOf(event: EventMessage, url: string, assignmentId: string, config: XactConfig): DownloadTask {
  const statusSubtype = statusSubtypeOf(event.type);
  const mediaId = mediaIdOf(event.traceId, url, config);
  const estimateVersion = event.data.estimateVersion;
  const { blobPath, fileType } = blobNameOf(
    { url: url.trim(), statusSubtype, assignmentId, traceId: event.traceId, mediaId, estimateVersion },
    config.pathScheme,
  );
  return {
    trace_id: event.traceId,
    media_id: mediaId,
    attachment_url: url.trim(),
    blob_path: blobPath,
    status_subtype: statusSubtype,
    file_type: fileType,
    assignment_id: assignmentId,
    estimate_version: estimateVersion,
    retry_count: 0,
    event_type: 'xact',
    event_subtype: statusSubtype,
    original_timestamp: event.utcDateTime,
    metadata: {},
  };
}
