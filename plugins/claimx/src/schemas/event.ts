import { Id, Nullable, OpenObject, PermanentError, type Static, Timestamp, Type } from '@pipeline-host/sdk';
import { traceIdOf } from '../ids.ts';
import { subjectFields } from './fields.ts';

/** A source event: `events.raw`. */
export const EventMessage = Type.Object({
  trace_id: Id(),
  /** Upper case, such as `PROJECT_FILE_ADDED`. */
  event_type: Id(),
  project_id: Id(),
  ingested_at: Timestamp(),
  ...subjectFields,
  /** The row of the source table. */
  raw_data: Nullable(OpenObject()),
});
export type EventMessage = Static<typeof EventMessage>;

/** A row of the source table, or a message of the system before the last: names in snake or camel case, ids as text or numbers, an id of its own or none. */
export const EventRow = Type.Object({
  /** What has one is a message, and refused where that is blank. */
  trace_id: Type.Optional(Type.Null()),
  event_id: Nullable(Id()),
  eventId: Nullable(Id()),
  event_type: Nullable(Id()),
  eventType: Nullable(Id()),
  project_id: Nullable(Id()),
  projectId: Nullable(Id()),
  ingested_at: Nullable(Timestamp()),
  ingestedAt: Nullable(Timestamp()),
  IngestionTime: Nullable(Timestamp()),
  ...subjectFields,
  mediaId: Nullable(Id()),
  taskAssignmentId: Nullable(Id()),
  videoCollaborationId: Nullable(Id()),
  masterFileName: Nullable(Id()),
  raw_data: Nullable(OpenObject()),
});
export type EventRow = Static<typeof EventRow>;

/**
 * A row as a message. It keeps its own id, else its id is a hash of what it is about and when. Where the time is missing it is
 * now, which is never hashed. Of two names of a field the first that has a value counts; an id of 0 is none.
 *
 * @throws where type or project is missing, or both id and time
 */
export function upgradeEventRow(row: EventRow): EventMessage {
  const id = firstOf(row.event_id, row.eventId);
  const time = row.ingested_at ?? row.ingestedAt ?? row.IngestionTime;
  const event = {
    event_type: given(row.event_type ?? row.eventType, 'type'),
    project_id: given(firstOf(row.project_id, row.projectId), 'project'),
    ingested_at: id === null ? given(time, 'time') : (time ?? new Date().toISOString()),
    media_id: firstOf(row.media_id, row.mediaId),
    task_assignment_id: firstOf(row.task_assignment_id, row.taskAssignmentId),
    video_collaboration_id: firstOf(row.video_collaboration_id, row.videoCollaborationId),
    master_file_name: firstOf(row.master_file_name, row.masterFileName),
  };
  return { trace_id: id ?? traceIdOf(event), ...event, raw_data: row.raw_data ?? sourceOf(row) };
}

function firstOf(...values: readonly (string | null)[]): string | null {
  return values.find((value) => value !== null && value !== '0') ?? null;
}

function given(value: string | null, what: string): string {
  if (value === null) throw new PermanentError('CLAIMX_EVENT_INVALID', `an event without a ${what}`);
  return value;
}

/** The row without what is not in it. */
function sourceOf(row: EventRow): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(row).filter(([, value]) => value !== null));
}
