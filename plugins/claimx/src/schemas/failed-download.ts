import { Id, Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { DownloadTask, OldDownloadTask } from './download-task.ts';
import { BlobPath, Count, Url } from './fields.ts';

const fields = {
  media_id: Id(),
  project_id: Id(),
  download_url: Url(),
  blob_path: Nullable(BlobPath()),
  final_error: Nullable(Text()),
  error_category: Id(),
  retry_count: Count(),
  url_refresh_attempted: Type.Boolean({ default: false }),
  failed_at: Timestamp(),
};

/** How the systems before us wrote the dead letter of a file; only read, so that one put back on `downloads.pending` is done again. The later one left out path and error text. */
export const FailedDownload = Type.Object({ trace_id: Nullable(Id()), original_task: DownloadTask, ...fields });
export type FailedDownload = Static<typeof FailedDownload>;

/** The same around a task with `source_event_id` for its event. */
export const OldFailedDownload = Type.Object({ original_task: OldDownloadTask, ...fields });
export type OldFailedDownload = Static<typeof OldFailedDownload>;
