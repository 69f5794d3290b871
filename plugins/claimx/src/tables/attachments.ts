import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

/** The inventory of stored media files, one row a media id: the columns of both systems before us. */
export const claimxAttachments = defineTable(
  'claimx_attachments',
  Type.Object({
    media_id: column.string(),
    project_id: column.string(),
    file_name: text(),
    file_type: text(),
    blob_path: column.string(),
    bytes: column.long(),
    bytes_downloaded: column.long(),
    /** The content type. */
    media_type: text(),
    /** The file's name. */
    media_name: text(),
    download_url: text(),
    trace_id: text(),
    downloaded_at: Nullable(column.timestamp()),
    created_at: column.timestamp(),
    created_date: column.date(),
    updated_at: column.timestamp(),
  }),
  { mode: 'merge', aliases: OLD_ID_NAMES, key: ['media_id'], columns: { created_at: 'preserve', created_date: 'preserve' } },
);
