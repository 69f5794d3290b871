import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());
const long = () => Nullable(column.long());

const columns = {
  video_collaboration_id: column.long(),
  /** The project. */
  claim_id: long(),
  mfn: text(),
  claim_number: text(),
  policy_number: text(),
  email_user_name: text(),
  claim_rep_first_name: text(),
  claim_rep_last_name: text(),
  claim_rep_full_name: text(),
  number_of_videos: long(),
  number_of_photos: long(),
  number_of_viewers: long(),
  session_count: long(),
  total_time_seconds: text(),
  total_time: text(),
  created_date: text(),
  live_call_first_session: text(),
  live_call_last_session: text(),
  company_id: long(),
  company_name: text(),
  guid: text(),
  trace_id: text(),
  created_at: column.timestamp(),
  updated_at: Nullable(column.timestamp()),
  last_enriched_at: Nullable(column.timestamp()),
};

/** One row a video collaboration. */
export const claimxVideoCollab = defineTable('claimx_video_collab', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['video_collaboration_id'],
  columns: fullImage(columns, ['video_collaboration_id'], { trace_id: 'keepOldWhenNull', created_at: 'preserve' }),
});
