import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';
import { OLD_ID_NAMES } from './old-id-names.ts';

const text = () => Nullable(column.string());

/** What became of each event: one row for every attempt that came to an end. */
export const claimxEventLog = defineTable(
  'claimx_event_log',
  Type.Object({
    trace_id: column.string(),
    /** 1 for the first. */
    attempt: column.integer(),
    event_type: text(),
    project_id: text(),
    /** `success`, `failed` or `skipped`. */
    status: column.string(),
    error_message: text(),
    /** The stable code of the failure. */
    error_category: text(),
    api_calls: Nullable(column.integer()),
    duration_ms: Nullable(column.integer()),
    retry_count: Nullable(column.integer()),
    processed_at: column.timestamp(),
    processed_date: column.date(),
  }),
  {
    mode: 'merge',
    aliases: OLD_ID_NAMES,
    key: ['trace_id', 'attempt'],
    partitionBy: ['processed_date'],
    // A replay counts its attempts anew: what it tells of attempt 1 takes the place of the failure, error and all.
    columns: {
      processed_date: 'preserve',
      error_message: 'always',
      error_category: 'always',
      api_calls: 'always',
      duration_ms: 'always',
    },
  },
);
