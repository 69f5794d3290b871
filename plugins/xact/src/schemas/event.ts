import { Id, Nullable, PermanentError, parseExact, type Static, Timestamp, Type } from '@pipeline-host/sdk';

const anything = Type.Optional(Type.Unknown());

/** What is read of an event's payload, by workers and by the columns of `xact_events`. All else in it stays as it came. */
const EventData = Type.Object({
  assignmentId: Nullable(Id()),
  estimateVersion: Nullable(Id()),
  attachments: anything,
  description: anything,
  originalAssignmentId: anything,
  xnAddress: anything,
  carrierId: anything,
  note: anything,
  author: anything,
  senderReviewerName: anything,
  senderReviewerEmail: anything,
  carrierReviewerName: anything,
  carrierReviewerEmail: anything,
  dateTime: anything,
  adm: anything,
  contact: anything,
});

/** A source event: `events.raw`. */
export const EventMessage = Type.Object({
  /** Dotted; its last part is the status subtype. */
  type: Id({ pattern: '[^.]$' }),
  version: Id(),
  utcDateTime: Timestamp(),
  traceId: Id(),
  eventId: Nullable(Id()),
  data: EventData,
});
export type EventMessage = Static<typeof EventMessage>;

const rowFields = {
  type: Id(),
  version: Nullable(Id()),
  utcDateTime: Timestamp(),
  traceId: Nullable(Id()),
  trace_id: Nullable(Id()),
  eventId: Nullable(Id()),
  event_id: Nullable(Id()),
};

/** The same as a row of the source table: snake-case ids, no version. */
export const EventRow = Type.Object({ ...rowFields, data: EventData });

/** A row whose payload is JSON text, or missing. */
export const EventRowOfText = Type.Object({ ...rowFields, data: Nullable(Type.String()) });

type AnyRow = Static<typeof EventRow> | Static<typeof EventRowOfText>;

export function upgradeEventRow(row: AnyRow): EventMessage {
  const traceId = row.traceId ?? row.trace_id;
  if (traceId === null) throw new PermanentError('XACT_EVENT_INVALID', 'an event without a trace id');
  return {
    ...row,
    version: row.version ?? '1',
    traceId,
    eventId: row.eventId ?? row.event_id,
    data: payloadOf(row.data) as Static<typeof EventData>,
  };
}

/**
 * An event's payload as an object. Nothing and blank text are an empty one.
 *
 * @throws where it is no object: such an event is a dead letter, since without its payload it would pass as one without attachments
 */
export function payloadOf(data: unknown): Readonly<Record<string, unknown>> {
  if (data === undefined || data === null || (typeof data === 'string' && data.trim() === '')) return {};
  const payload = typeof data === 'string' ? parseExact(data) : data;
  if (typeof payload !== 'object' || payload === null || Array.isArray(payload)) {
    throw new PermanentError('XACT_EVENT_INVALID', "an event's data is a JSON object");
  }
  return payload as Readonly<Record<string, unknown>>;
}

/** The last part of an event's type. */
export const statusSubtypeOf = (type: string): string => type.slice(type.lastIndexOf('.') + 1).trim();

/** The URLs of a list of attachments that are not blank, as they were received and in order. Anything but a list has none. */
export function attachmentUrls(attachments: unknown): readonly string[] {
  if (!Array.isArray(attachments)) return [];
  return attachments.filter((item): item is string => typeof item === 'string' && item.trim() !== '');
}
