import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

const columns = {
  project_id: column.string(),
  project_number: text(),
  master_file_name: text(),
  secondary_number: text(),
  status: text(),
  created_date: text(),
  date_of_loss: text(),
  type_of_loss: text(),
  cause_of_loss: text(),
  loss_description: text(),
  customer_first_name: text(),
  customer_last_name: text(),
  street1: text(),
  city: text(),
  state_province: text(),
  zip_postcode: text(),
  primary_email: text(),
  primary_phone: text(),
  custom_attribute1: text(),
  custom_attribute2: text(),
  custom_attribute3: text(),
  /** Filled by nobody yet; the tables of the systems before us have it. */
  coverages: text(),
  contents_task_sent: Nullable(column.boolean()),
  contents_task_at: Nullable(column.timestamp()),
  /** From an event alone: the API does not know it. */
  xa_autolink_fail: Nullable(column.boolean()),
  xa_autolink_fail_at: Nullable(column.timestamp()),
  trace_id: text(),
  created_at: column.timestamp(),
  updated_at: Nullable(column.timestamp()),
  last_enriched_at: Nullable(column.timestamp()),
};

/** One row a project. */
export const claimxProjects = defineTable('claimx_projects', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['project_id'],
  columns: fullImage(columns, ['project_id'], {
    // An event may have told it before the API did, which never takes a name away.
    master_file_name: 'keepOldWhenNull',
    // Told by events, which may come out of order. Older senders write null where an event does not tell them.
    xa_autolink_fail: 'keepOldWhenNull',
    xa_autolink_fail_at: 'greatest',
    trace_id: 'keepOldWhenNull',
    created_at: 'preserve',
  }),
});
