import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

const columns = {
  media_id: column.string(),
  project_id: text(),
  task_assignment_id: text(),
  file_type: text(),
  file_name: text(),
  media_description: text(),
  media_comment: text(),
  latitude: text(),
  longitude: text(),
  gps_source: text(),
  taken_date: text(),
  full_download_link: text(),
  expires_at: text(),
  trace_id: text(),
  created_at: text(),
  updated_at: text(),
  last_enriched_at: text(),
};

/** One row a media file, as the API describes it. */
export const claimxAttachmentMetadata = defineTable('claimx_attachment_metadata', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['media_id'],
  columns: fullImage(columns, ['media_id'], { trace_id: 'keepOldWhenNull', created_at: 'preserve' }),
});
