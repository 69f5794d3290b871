import { defineTopic } from '@pipeline-host/sdk';
import { projectKey } from './handlers/numeric-id.ts';
import { CachedDownload, OldCachedDownload, upgradeCachedDownload } from './schemas/cached-download.ts';
import { DownloadTask, OldDownloadTask, upgradeDownloadTask } from './schemas/download-task.ts';
import { EnrichmentTask, OldEnrichmentTask, upgradeEnrichmentTask } from './schemas/enrichment-task.ts';
import { EntityRows } from './schemas/entity-rows.ts';
import { EventMessage, EventRow, upgradeEventRow } from './schemas/event.ts';
import { FailedDownload, OldFailedDownload } from './schemas/failed-download.ts';
import { FailedEnrichment, OldFailedEnrichment } from './schemas/failed-enrichment.ts';
import { OldUploadResult, UploadResult, upgradeUploadResult } from './schemas/upload-result.ts';

/** All that happens to one file happens in order. */
const byMedia = (message: { readonly media_id: string }): string => message.media_id;

export const eventsRaw = defineTopic('events.raw', EventMessage, {
  key: (event) => event.trace_id,
  accepts: [{ schema: EventRow, upgrade: upgradeEventRow }],
});

/** By project: two events of one project are never enriched at once. */
export const enrichmentPending = defineTopic('enrichment.pending', EnrichmentTask, {
  key: (task) => projectKey(task.project_id),
  accepts: [
    { schema: OldEnrichmentTask, upgrade: upgradeEnrichmentTask },
    { schema: FailedEnrichment, upgrade: (failed) => failed.original_task },
    { schema: OldFailedEnrichment, upgrade: (failed) => upgradeEnrichmentTask(failed.original_task) },
  ],
});

/** By project, so that its rows are merged in order. */
export const entitiesRows = defineTopic('entities.rows', EntityRows, {
  key: ({ project_id, trace_id }) => (project_id === null ? trace_id : projectKey(project_id)),
});

export const downloadsPending = defineTopic('downloads.pending', DownloadTask, {
  key: byMedia,
  accepts: [
    { schema: FailedDownload, upgrade: (failed) => failed.original_task },
    { schema: OldFailedDownload, upgrade: (failed) => upgradeDownloadTask(failed.original_task) },
    { schema: OldDownloadTask, upgrade: upgradeDownloadTask },
  ],
});

export const downloadsCached = defineTopic('downloads.cached', CachedDownload, {
  key: byMedia,
  accepts: [{ schema: OldCachedDownload, upgrade: upgradeCachedDownload }],
});

export const downloadsResults = defineTopic('downloads.results', UploadResult, {
  key: byMedia,
  accepts: [{ schema: OldUploadResult, upgrade: upgradeUploadResult }],
});
