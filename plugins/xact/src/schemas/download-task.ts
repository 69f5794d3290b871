import { Id, Nullable, OpenObject, type Static, Timestamp, Type } from '@pipeline-host/sdk';
import { attachmentFields, BlobPath, Count } from './fields.ts';

/** One attachment to fetch: `downloads.pending`. `retry_count` is read for the sake of older senders; ours stands in the record's headers. */
export const DownloadTask = Type.Object({
  ...attachmentFields,
  blob_path: BlobPath(),
  estimate_version: Nullable(Id()),
  retry_count: Count({ default: 0 }),
  /** The domain. Older senders write `verisk`. */
  event_type: Id(),
  event_subtype: Id(),
  original_timestamp: Timestamp(),
  metadata: OpenObject({ default: {} }),
});
export type DownloadTask = Static<typeof DownloadTask>;
