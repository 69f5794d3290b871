/**
 * The xact domain.
 *
 *     events.raw ─ingester→ downloads.pending ─downloader→ downloads.cached ─uploader→ downloads.results ─result-processor→ xact_attachments
 *          └─event-writer→ xact_events
 *
 * A download or upload that is given up is a dead letter with the bytes of its record, and a `failed_permanent` result,
 * which xact_attachments_failed keeps where it is enabled.
 */
import { definePlugin } from '@pipeline-host/sdk';
import { XactConfig } from './config.ts';
import { xactAttachments, xactAttachmentsFailed, xactEvents } from './tables.ts';
import { downloadsCached, downloadsPending, downloadsResults, eventsRaw } from './topics.ts';
import { downloader } from './workers/downloader.ts';
import { ingester } from './workers/ingester.ts';
import { uploader } from './workers/uploader.ts';
import { eventWriter } from './writers/event-writer.ts';
import { resultProcessor } from './writers/result-processor.ts';

export { CachedDownload } from './schemas/cached-download.ts';
export { DownloadResult } from './schemas/download-result.ts';
export { DownloadTask } from './schemas/download-task.ts';
export { EventMessage } from './schemas/event.ts';
export { downloadsCached, downloadsPending, downloadsResults, eventsRaw, XactConfig, xactAttachments, xactAttachmentsFailed, xactEvents };

export default definePlugin({
  name: 'xact',
  config: XactConfig,
  topics: [eventsRaw, downloadsPending, downloadsCached, downloadsResults],
  tables: [xactEvents, xactAttachments, xactAttachmentsFailed],
  workers: {
    ingester,
    downloader,
    uploader,
    'result-processor': resultProcessor,
    'event-writer': eventWriter,
  },
});
