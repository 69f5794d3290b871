import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());
const flag = () => Nullable(column.boolean());

const columns = {
  task_id: column.long(),
  comp_id: Nullable(column.long()),
  name: text(),
  description: text(),
  form_id: text(),
  form_name: text(),
  enabled: flag(),
  is_default: flag(),
  is_manual_delivery: flag(),
  is_external_link_delivery: flag(),
  provide_portal_access: flag(),
  notify_assigned_send_recipient: flag(),
  notify_assigned_send_recipient_sms: flag(),
  notify_assigned_subject: text(),
  notify_task_completed: flag(),
  notify_completed_subject: text(),
  allow_resubmit: flag(),
  auto_generate_pdf: flag(),
  modified_by: text(),
  modified_by_id: Nullable(column.long()),
  modified_date: text(),
  trace_id: text(),
  created_at: column.timestamp(),
  updated_at: Nullable(column.timestamp()),
  last_enriched_at: Nullable(column.timestamp()),
};

/** One row a kind of task. */
export const claimxTaskTemplates = defineTable('claimx_task_templates', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['task_id'],
  // A template comes with each of its tasks: as it is known, it is left alone. Without a date that cannot be told.
  updateWhen: { differs: ['modified_date'] },
  columns: fullImage(columns, ['task_id'], { trace_id: 'keepOldWhenNull', created_at: 'preserve' }),
});
