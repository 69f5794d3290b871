/**
 * The claimx domain.
 *
 *     events.raw ─ingester→ enrichment.pending ─enricher→ entities.rows ─entity-writer→ 7 entity tables, claimx_event_log
 *          └─event-writer→ claimx_events           └→ downloads.pending ─downloader→ downloads.cached ─uploader→ downloads.results ─result-processor→ claimx_attachments
 */
import { definePlugin } from '@pipeline-host/sdk';
import { ClaimXConfig } from './config.ts';
import { ENTITY_TABLES } from './schemas/entity-rows.ts';
import { services } from './services.ts';
import { claimxAttachments } from './tables/attachments.ts';
import { claimxEvents } from './tables/events.ts';
import { downloadsCached, downloadsPending, downloadsResults, enrichmentPending, entitiesRows, eventsRaw } from './topics.ts';
import { downloader } from './workers/downloader.ts';
import { enricher } from './workers/enricher.ts';
import { ingester } from './workers/ingester.ts';
import { poller } from './workers/poller.ts';
import { uploader } from './workers/uploader.ts';
import { entityWriter } from './writers/entity-writer.ts';
import { eventWriter } from './writers/event-writer.ts';
import { resultProcessor } from './writers/result-processor.ts';

export { CachedDownload } from './schemas/cached-download.ts';
export { DownloadTask } from './schemas/download-task.ts';
export { EnrichmentTask } from './schemas/enrichment-task.ts';
export { ENTITY_TABLES, EntityRows } from './schemas/entity-rows.ts';
export { EventMessage } from './schemas/event.ts';
export { UploadResult } from './schemas/upload-result.ts';
export {
  ClaimXConfig,
  claimxAttachments,
  claimxEvents,
  downloadsCached,
  downloadsPending,
  downloadsResults,
  enrichmentPending,
  entitiesRows,
  eventsRaw,
};

export default definePlugin({
  name: 'claimx',
  config: ClaimXConfig,
  topics: [eventsRaw, enrichmentPending, entitiesRows, downloadsPending, downloadsCached, downloadsResults],
  tables: [claimxEvents, ...Object.values(ENTITY_TABLES), claimxAttachments],
  services,
  workers: {
    poller,
    ingester,
    enricher,
    downloader,
    uploader,
    'result-processor': resultProcessor,
    'event-writer': eventWriter,
    'entity-writer': entityWriter,
  },
});
