import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

const columns = {
  project_id: column.string(),
  contact_email: column.string(),
  /** `POLICYHOLDER` or `CLAIM_REP`. */
  contact_type: column.string(),
  first_name: text(),
  last_name: text(),
  phone_number: text(),
  phone_country_code: Nullable(column.long()),
  is_primary_contact: Nullable(column.boolean()),
  master_file_name: text(),
  /** From task links alone. */
  task_assignment_id: Nullable(column.integer()),
  video_collaboration_id: text(),
  trace_id: text(),
  created_at: column.timestamp(),
  last_enriched_at: Nullable(column.timestamp()),
  created_date: Nullable(column.date()),
  updated_at: text(),
};

const key = ['project_id', 'contact_email', 'contact_type'] as const;

/** One row a person and project, by e-mail address. */
export const claimxContacts = defineTable('claimx_contacts', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key,
  // Where a contact came from is known to the rows of its task or call alone, and older senders write null for it.
  columns: fullImage(columns, key, {
    task_assignment_id: 'keepOldWhenNull',
    video_collaboration_id: 'keepOldWhenNull',
    trace_id: 'keepOldWhenNull',
    created_at: 'preserve',
    created_date: 'preserve',
  }),
});
