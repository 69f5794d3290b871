import { Id, Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { DownloadTask } from './download-task.ts';
import { Count, Url } from './fields.ts';

/**
 * How the systems before us wrote a dead letter; only read, so that one put back on `downloads.pending` is done again.
 * The later one of them left out media id and error text.
 */
export const FailedDownload = Type.Object({
  trace_id: Id(),
  media_id: Nullable(Id()),
  attachment_url: Url(),
  original_task: DownloadTask,
  final_error: Nullable(Text()),
  error_category: Id(),
  retry_count: Count(),
  failed_at: Timestamp(),
});
export type FailedDownload = Static<typeof FailedDownload>;
