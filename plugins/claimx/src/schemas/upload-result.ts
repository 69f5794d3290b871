import { Id, Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { BlobPath, Count, mediaFields, OriginId } from './fields.ts';

const fields = {
  ...mediaFields,
  blob_path: BlobPath(),
  status: Type.Union([Type.Literal('completed'), Type.Literal('failed'), Type.Literal('failed_permanent')]),
  bytes_uploaded: Count({ default: 0 }),
  /** As the server that held the file called it. Older senders leave it out. */
  content_type: Nullable(Text()),
  /** When the file was fetched. Older senders leave it out. */
  downloaded_at: Nullable(Timestamp()),
  error_message: Nullable(Text()),
  created_at: Timestamp(),
};

/** What became of a media file: `downloads.results`. `failed` (will be tried again) is read and never written. */
export const UploadResult = Type.Object({ trace_id: OriginId(), ...fields });
export type UploadResult = Static<typeof UploadResult>;

/** The same with `source_event_id` for its event. */
export const OldUploadResult = Type.Object({ source_event_id: Nullable(Id()), ...fields });

export function upgradeUploadResult({ source_event_id, ...result }: Static<typeof OldUploadResult>): UploadResult {
  return { trace_id: source_event_id, ...result };
}
