/**
 * The claimx domain.
 *
 *     events.raw ─ingester→ enrichment.pending ─enricher→ entities.rows ─entity-writer→ 7 entity tables, claimx_event_log
 *          └─event-writer→ claimx_events           └→ downloads.pending ─downloader→ downloads.cached ─uploader→ downloads.results ─result-processor→ claimx_attachments
 */
import { definePlugin } from '@pipeline-host/sdk';
import { ClaimXConfig } from './config.ts';
import { ENTITY_TABLES } from './schemas/entity-rows.ts';
import { claimxAttachments } from './tables/attachments.ts';
import { claimxEvents } from './tables/events.ts';
import { downloadsCached, downloadsPending, downloadsResults, enrichmentPending, entitiesRows, eventsRaw } from './topics.ts';
import { ingester } from './workers/ingester.ts';
import { eventWriter } from './writers/event-writer.ts';

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
  workers: {
    ingester,
    'event-writer': eventWriter,
  },
});
