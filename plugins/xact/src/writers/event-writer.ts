import { defineTableWriter, type RowOf } from '@pipeline-host/sdk';
import { parseExact, textOf } from '../exact-json.ts';
import { eventIdOf } from '../ids.ts';
import { attachmentUrls, type EventMessage, payloadOf, statusSubtypeOf } from '../schemas/event.ts';
import { xactEvents } from '../tables.ts';
import { eventsRaw } from '../topics.ts';

/** Writes every event to `xact_events`. The payload is taken from the record's bytes, so that `raw_json` and the digits of numbers are the source's own. */
export const eventWriter = defineTableWriter({
  consumes: eventsRaw,
  writes: [xactEvents],
  rows: (event, { record, writtenAt }) => ({ xact_events: [eventRow(event, sourceOf(record.value), writtenAt)] }),
});

interface Source {
  readonly data?: unknown;
}

function sourceOf(bytes: Uint8Array | null): Source {
  return parseExact(Buffer.from(bytes ?? '{}').toString('utf8')) as Source;
}

/** One event as a row: `source` is the record as it came, `event` what was read from it. */
export function eventRow(event: EventMessage, source: Source, writtenAt: string): RowOf<typeof xactEvents> {
  const data = payloadOf(source.data);
  const at = (...path: readonly string[]): string | null => textOf(path.reduce(child, data));
  const phone = ['contact', 'contactMethods', 'phone'];
  return {
    type: event.type,
    status_subtype: statusSubtypeOf(event.type),
    version: event.version,
    ingested_at: event.utcDateTime,
    event_date: event.utcDateTime.slice(0, 10),
    trace_id: event.traceId,
    event_id: event.eventId ?? eventIdOf(event.traceId),
    description: at('description'),
    assignment_id: at('assignmentId'),
    original_assignment_id: at('originalAssignmentId'),
    xn_address: at('xnAddress'),
    carrier_id: at('carrierId'),
    estimate_version: at('estimateVersion'),
    note: at('note'),
    author: at('author'),
    sender_reviewer_name: at('senderReviewerName'),
    sender_reviewer_email: at('senderReviewerEmail'),
    carrier_reviewer_name: at('carrierReviewerName'),
    carrier_reviewer_email: at('carrierReviewerEmail'),
    event_datetime_mdt: at('dateTime'),
    attachments: attachmentsText(data['attachments']),
    claim_number: at('adm', 'coverageLoss', 'claimNumber'),
    contact_type: at('contact', 'type'),
    contact_name: at('contact', 'name'),
    contact_phone_type: at(...phone, 'type'),
    contact_phone_number: at(...phone, 'number'),
    contact_phone_extension: at(...phone, 'extension'),
    contact_email_address: at('contact', 'contactMethods', 'email', 'address'),
    raw_json: JSON.stringify({ ...source, data }),
    created_at: writtenAt,
    created_date: writtenAt.slice(0, 10),
  };
}

/** A member of an object; nothing where there is none, or no object. */
function child(value: unknown, name: string): unknown {
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, name)) return undefined;
  return (value as Readonly<Record<string, unknown>>)[name];
}

/** The URLs joined by commas; a text in place of the list counts as one. */
function attachmentsText(attachments: unknown): string | null {
  const urls = attachmentUrls(typeof attachments === 'string' ? [attachments] : attachments);
  return urls.length === 0 ? null : urls.join(',');
}
