import { Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { attachmentFields, BlobPath, Count } from './fields.ts';

/** What became of an attachment: `downloads.results`. `failed` (will be tried again) is read and never written. */
export const DownloadResult = Type.Object({
  ...attachmentFields,
  blob_path: BlobPath(),
  status: Type.Union([Type.Literal('completed'), Type.Literal('failed'), Type.Literal('failed_permanent')]),
  http_status: Nullable(Type.Integer()),
  bytes_downloaded: Count({ default: 0 }),
  retry_count: Count({ default: 0 }),
  error_message: Nullable(Text()),
  created_at: Timestamp(),
  expires_at: Nullable(Timestamp()),
  expired_at_ingest: Nullable(Type.Boolean()),
});
export type DownloadResult = Static<typeof DownloadResult>;
