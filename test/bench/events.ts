import { Id, Nullable, Text, Timestamp, Type } from '@pipeline-host/sdk';

/** An event of about 1.2 KB as sources send them, by its number. */
export function eventJson(n: number): string {
  const id = n.toString(16).padStart(8, '0');
  return JSON.stringify({
    type: 'claims.property.xn.documentsReceived',
    version: 1,
    utcDateTime: new Date(1_767_600_000_000 + n * 977).toISOString(),
    traceId: `${id}-4b0e-4a64-9f0b-2d1f9f2f7c11`,
    data: {
      assignmentId: `A${n % 5000}`,
      originalAssignmentId: `A${n % 4000}`,
      description: `Documents received from field adjuster ${n}`,
      xnAddress: 'SOME.CARRIER.XN',
      carrierId: String(4_400_000 + (n % 300)),
      estimateVersion: String(n % 4),
      note: 'The adjuster has looked at the roof, the north slope and the gutters; photographs follow in a later package.',
      author: 'Field adjuster',
      senderReviewerName: 'Sam Reviewer',
      senderReviewerEmail: 'sam.reviewer@example.test',
      carrierReviewerName: 'Kim Carrier',
      carrierReviewerEmail: 'kim.carrier@example.test',
      dateTime: '2026-01-05T07:22:07',
      adm: { coverageLoss: { claimNumber: `CLM-${n % 9000}` } },
      contact: {
        type: 'Insured',
        name: 'Rosa Ibarra',
        contactMethods: {
          phone: { type: 'Mobile', number: '5125550182', extension: null },
          email: { address: 'rosa.ibarra@example.test' },
        },
      },
      attachments: [
        `https://files.example.test/a1/${id}/loss_report.pdf?X-Amz-Date=20260105T142205Z&X-Amz-Expires=86400&X-Amz-Signature=${id}`,
        `https://files.example.test/a1/${id}/photographs.zip?X-Amz-Date=20260105T142205Z&X-Amz-Expires=86400&X-Amz-Signature=${id}`,
      ],
    },
  });
}

/** The text columns of a table of events, and where in an event they come from; the other seven are made of them. */
export const TEXTS = {
  type: 'type',
  version: 'version',
  trace_id: 'traceId',
  event_id: 'eventId',
  description: 'data.description',
  assignment_id: 'data.assignmentId',
  original_assignment_id: 'data.originalAssignmentId',
  xn_address: 'data.xnAddress',
  carrier_id: 'data.carrierId',
  estimate_version: 'data.estimateVersion',
  note: 'data.note',
  author: 'data.author',
  sender_reviewer_name: 'data.senderReviewerName',
  sender_reviewer_email: 'data.senderReviewerEmail',
  carrier_reviewer_name: 'data.carrierReviewerName',
  carrier_reviewer_email: 'data.carrierReviewerEmail',
  event_datetime_mdt: 'data.dateTime',
  claim_number: 'data.adm.coverageLoss.claimNumber',
  contact_type: 'data.contact.type',
  contact_name: 'data.contact.name',
  contact_phone_type: 'data.contact.contactMethods.phone.type',
  contact_phone_number: 'data.contact.contactMethods.phone.number',
  contact_phone_extension: 'data.contact.contactMethods.phone.extension',
  contact_email_address: 'data.contact.contactMethods.email.address',
} as const;

/** The schema that the engine checks each event against. */
export const BenchEvent = Type.Object({
  type: Id(),
  version: Id(),
  utcDateTime: Timestamp(),
  traceId: Id(),
  data: Type.Object({ assignmentId: Nullable(Id()), estimateVersion: Nullable(Text()), description: Nullable(Text()) }),
});
