import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());
const long = () => Nullable(column.long());

const columns = {
  assignment_id: column.long(),
  task_id: long(),
  project_id: text(),
  assignee_id: long(),
  assignor_id: long(),
  date_assigned: text(),
  date_completed: text(),
  status: text(),
  stp_enabled: Nullable(column.boolean()),
  mfn: text(),
  trace_id: text(),
  created_at: column.timestamp(),
  updated_at: Nullable(column.timestamp()),
  last_enriched_at: Nullable(column.timestamp()),
};

/** One row a task assignment. */
export const claimxTasks = defineTable('claimx_tasks', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['assignment_id'],
  columns: fullImage(columns, ['assignment_id'], { trace_id: 'keepOldWhenNull', created_at: 'preserve' }),
});
