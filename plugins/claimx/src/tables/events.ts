import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

/** Every event. */
export const claimxEvents = defineTable(
  'claimx_events',
  Type.Object({
    trace_id: column.string(),
    event_type: column.string(),
    project_id: text(),
    media_id: text(),
    task_assignment_id: text(),
    video_collaboration_id: text(),
    master_file_name: text(),
    ingested_at: column.timestamp(),
    created_at: column.timestamp(),
    event_date: Nullable(column.date()),
  }),
  { mode: 'append', aliases: OLD_ID_NAMES, partitionBy: ['event_date'] },
);
