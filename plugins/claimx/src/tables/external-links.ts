import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { fullImage } from './full-image.ts';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());
const long = () => Nullable(column.long());

const columns = {
  link_id: column.long(),
  assignment_id: long(),
  project_id: text(),
  link_code: text(),
  url: text(),
  notification_access_method: text(),
  country_id: long(),
  state_id: long(),
  created_date: text(),
  accessed_count: long(),
  last_accessed: text(),
  trace_id: text(),
  created_at: text(),
  updated_at: text(),
};

/** One row a link that was sent for a task. What others count in it (`accessed_count` and its dates) is begun here and never set back. */
export const claimxExternalLinks = defineTable('claimx_external_links', Type.Object(columns), {
  mode: 'merge',
  aliases: OLD_ID_NAMES,
  key: ['link_id'],
  columns: fullImage(columns, ['link_id'], {
    created_date: 'preserve',
    accessed_count: 'preserve',
    last_accessed: 'preserve',
    trace_id: 'keepOldWhenNull',
    created_at: 'preserve',
  }),
});
