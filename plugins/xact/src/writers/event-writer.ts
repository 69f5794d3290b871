import { day, defineTableWriter, firstOf, joined, lastPart, message, text, uuid5, writtenAt } from '@pipeline-host/sdk';
import { EVENT_NAMESPACE } from '../ids.ts';
import { xactEvents } from '../tables.ts';
import { eventsRaw } from '../topics.ts';

/** Writes every event to `xact_events`. */
export const eventWriter = defineTableWriter({
  consumes: eventsRaw,
  writes: [xactEvents],
  columns: {
    type: text('type'),
    status_subtype: lastPart(text('type'), '.'),
    version: text('version'),
    ingested_at: text('utcDateTime'),
    event_date: day(text('utcDateTime')),
    trace_id: text('traceId'),
    event_id: firstOf(text('eventId'), uuid5(EVENT_NAMESPACE, text('traceId'))),
    description: text('data.description'),
    assignment_id: text('data.assignmentId'),
    original_assignment_id: text('data.originalAssignmentId'),
    xn_address: text('data.xnAddress'),
    carrier_id: text('data.carrierId'),
    estimate_version: text('data.estimateVersion'),
    note: text('data.note'),
    author: text('data.author'),
    sender_reviewer_name: text('data.senderReviewerName'),
    sender_reviewer_email: text('data.senderReviewerEmail'),
    carrier_reviewer_name: text('data.carrierReviewerName'),
    carrier_reviewer_email: text('data.carrierReviewerEmail'),
    event_datetime_mdt: text('data.dateTime'),
    attachments: joined('data.attachments', ','),
    claim_number: text('data.adm.coverageLoss.claimNumber'),
    contact_type: text('data.contact.type'),
    contact_name: text('data.contact.name'),
    contact_phone_type: text('data.contact.contactMethods.phone.type'),
    contact_phone_number: text('data.contact.contactMethods.phone.number'),
    contact_phone_extension: text('data.contact.contactMethods.phone.extension'),
    contact_email_address: text('data.contact.contactMethods.email.address'),
    raw_json: message(),
    created_at: writtenAt(),
    created_date: day(writtenAt()),
  },
});
