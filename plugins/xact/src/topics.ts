import { defineTopic } from '@pipeline-host/sdk';
import { CachedDownload } from './schemas/cached-download.ts';
import { DownloadResult } from './schemas/download-result.ts';
import { DownloadTask } from './schemas/download-task.ts';
import { EventMessage, EventRow, EventRowOfText, upgradeEventRow } from './schemas/event.ts';
import { FailedDownload } from './schemas/failed-download.ts';

/** Keys are trace ids throughout, as in the systems before us: all that happens to one event happens in order. */
const byTrace = (message: { readonly trace_id: string }): string => message.trace_id;

export const eventsRaw = defineTopic('events.raw', EventMessage, {
  key: (event) => event.traceId,
  accepts: [
    { schema: EventRow, upgrade: upgradeEventRow },
    { schema: EventRowOfText, upgrade: upgradeEventRow },
  ],
});

export const downloadsPending = defineTopic('downloads.pending', DownloadTask, {
  key: byTrace,
  accepts: [{ schema: FailedDownload, upgrade: (failed) => failed.original_task }],
});

export const downloadsCached = defineTopic('downloads.cached', CachedDownload, { key: byTrace });

export const downloadsResults = defineTopic('downloads.results', DownloadResult, { key: byTrace });
