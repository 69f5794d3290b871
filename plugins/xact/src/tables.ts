import { column, defineTable, Nullable, Type } from '@pipeline-host/sdk';

const text = () => Nullable(column.string());

/** Every event, flattened: 31 columns in the order of the systems before us. Tables of the first of them have no `event_id`: it is added. */
export const xactEvents = defineTable(
  'xact_events',
  Type.Object({
    type: column.string(),
    status_subtype: column.string(),
    version: column.string(),
    ingested_at: column.timestamp(),
    event_date: column.date(),
    trace_id: column.string(),
    event_id: text(),
    description: text(),
    assignment_id: text(),
    original_assignment_id: text(),
    xn_address: text(),
    carrier_id: text(),
    estimate_version: text(),
    note: text(),
    author: text(),
    sender_reviewer_name: text(),
    sender_reviewer_email: text(),
    carrier_reviewer_name: text(),
    carrier_reviewer_email: text(),
    event_datetime_mdt: text(),
    attachments: text(),
    claim_number: text(),
    contact_type: text(),
    contact_name: text(),
    contact_phone_type: text(),
    contact_phone_number: text(),
    contact_phone_extension: text(),
    contact_email_address: text(),
    raw_json: column.string(),
    created_at: column.timestamp(),
    created_date: column.date(),
  }),
  { mode: 'append', partitionBy: ['event_date'] },
);

/** The inventory of stored attachments, one row a media id. `created_at` and the partition are those of the first write. */
export const xactAttachments = defineTable(
  'xact_attachments',
  Type.Object({
    media_id: column.string(),
    trace_id: column.string(),
    attachment_url: column.string(),
    blob_path: column.string(),
    file_type: column.string(),
    status_subtype: column.string(),
    assignment_id: column.string(),
    bytes_downloaded: column.long(),
    downloaded_at: column.timestamp(),
    created_at: column.timestamp(),
    event_date: column.date(),
  }),
  { mode: 'merge', key: ['media_id'], partitionBy: ['event_date'], columns: { created_at: 'preserve', event_date: 'preserve' } },
);

/** Attachments that were given up, one row a media id, for those who look for them in a table; off until it is enabled. */
export const xactAttachmentsFailed = defineTable(
  'xact_attachments_failed',
  Type.Object({
    media_id: column.string(),
    trace_id: column.string(),
    attachment_url: column.string(),
    error_message: column.string(),
    status: column.string(),
    failed_at: column.timestamp(),
    retry_count: column.long(),
    http_status: Nullable(column.long()),
    created_at: column.timestamp(),
  }),
  { mode: 'merge', key: ['media_id'], columns: { created_at: 'preserve' }, optional: true },
);
