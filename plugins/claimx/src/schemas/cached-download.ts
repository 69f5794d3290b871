import { Id, Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { BlobPath, Count, mediaFields, OriginId, Url } from './fields.ts';

const fields = {
  ...mediaFields,
  destination_path: BlobPath(),
  /** The URI of the staged file. Older senders write a path on their own disk. */
  local_cache_path: Url(),
  bytes_downloaded: Count(),
  /** Lower-case hex; null from older senders, whose files cannot be checked. */
  sha256: Nullable(Text({ pattern: '^[0-9a-f]{64}$' })),
  content_type: Nullable(Text()),
  /** Fresh links that were fetched so far. */
  refresh_count: Count({ default: 0 }),
  downloaded_at: Timestamp(),
};

/** A fetched file that waits for its upload: `downloads.cached`. */
export const CachedDownload = Type.Object({ trace_id: OriginId(), ...fields });
export type CachedDownload = Static<typeof CachedDownload>;

/** The same with `source_event_id` for its event. */
export const OldCachedDownload = Type.Object({ source_event_id: Nullable(Id()), ...fields });

export function upgradeCachedDownload({ source_event_id, ...cached }: Static<typeof OldCachedDownload>): CachedDownload {
  return { trace_id: source_event_id, ...cached };
}
