import { createHash } from 'node:crypto';

/** What names an event that has no id of its own. Instants as messages have them: UTC, `2026-01-05T10:00:00.5Z`. */
export interface EventIdentity {
  readonly project_id: string;
  readonly event_type: string;
  readonly ingested_at: string;
  readonly media_id: string | null;
  readonly task_assignment_id: string | null;
  readonly video_collaboration_id: string | null;
  readonly master_file_name: string | null;
}

/** The id of an event without one of its own: the SHA-256 of what it is about and when. Equal instants give equal ids, however they were written. */
export function traceIdOf(event: EventIdentity): string {
  const subjects = [
    ['media', event.media_id],
    ['task', event.task_assignment_id],
    ['video', event.video_collaboration_id],
    ['file', event.master_file_name],
  ] as const;
  const parts = [
    event.project_id,
    event.event_type,
    isoformat(event.ingested_at),
    ...subjects.flatMap(([kind, id]) => (id === null || id === '0' ? [] : [`${kind}:${id}`])),
  ];
  return createHash('sha256').update(parts.join('|'), 'utf8').digest('hex');
}

/** The instant as the systems before us hashed it: `+00:00`, and six digits of the second's fraction or none. */
function isoformat(instant: string): string {
  const [, seconds = '', fraction = ''] = /^(.*?)(?:\.(\d+))?Z$/.exec(instant) ?? [];
  return `${seconds}${/[1-9]/.test(fraction) ? `.${fraction.padEnd(6, '0').slice(0, 6)}` : ''}+00:00`;
}
