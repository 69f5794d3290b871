import { Id, Nullable, OpenObject, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { attachmentFields, BlobPath, Count, Url } from './fields.ts';

/** A fetched file that waits for its upload: `downloads.cached`. */
export const CachedDownload = Type.Object({
  ...attachmentFields,
  destination_path: BlobPath(),
  /** The URI of the staged file. Older senders write a path on their own disk. */
  local_cache_path: Url(),
  bytes_downloaded: Count(),
  /** Lower-case hex; null from older senders, whose files cannot be checked. */
  sha256: Nullable(Text({ pattern: '^[0-9a-f]{64}$' })),
  content_type: Nullable(Text()),
  http_status: Nullable(Type.Integer()),
  event_type: Id(),
  event_subtype: Id(),
  original_timestamp: Timestamp(),
  downloaded_at: Timestamp(),
  metadata: OpenObject({ default: {} }),
});
export type CachedDownload = Static<typeof CachedDownload>;
