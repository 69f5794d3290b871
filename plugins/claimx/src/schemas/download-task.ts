import { Id, Nullable, OpenObject, type Static, Text, Type } from '@pipeline-host/sdk';
import { BlobPath, Count, mediaFields, OriginId } from './fields.ts';

const fields = {
  ...mediaFields,
  blob_path: BlobPath(),
  /** Read for the sake of older senders; ours stands in the record's headers. */
  retry_count: Count({ default: 0 }),
  /** What the API says; when the link really ends is read from the link. */
  expires_at: Nullable(Text()),
  /** Fresh links that were fetched so far. */
  refresh_count: Count({ default: 0 }),
  metadata: Nullable(OpenObject()),
  /** What holds a task is a dead letter of older senders, which has the other fields as well. */
  original_task: Type.Optional(Type.Never()),
};

/** One media file to fetch: `downloads.pending`. */
export const DownloadTask = Type.Object({ trace_id: OriginId(), ...fields });
export type DownloadTask = Static<typeof DownloadTask>;

/** The same with `source_event_id` for its event. */
export const OldDownloadTask = Type.Object({ source_event_id: Nullable(Id()), ...fields });

export function upgradeDownloadTask({ source_event_id, ...task }: Static<typeof OldDownloadTask>): DownloadTask {
  return { trace_id: source_event_id, ...task };
}
