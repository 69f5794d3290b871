import type { SourceMessage } from '@pipeline-host/sdk';
import type { Random } from 'pipeline-host/testing';

/** Records that are no events, one kind after the other. */
export function garbage(number: number, random: Random): SourceMessage {
  const id = `cx-evt-${random.text('0123456789abcdef', 16)}`;
  const event = { event_id: id, event_type: 'PROJECT_CREATED', project_id: '7', ingested_at: '2026-01-05T09:00:00Z' };
  const kinds: readonly [string | Uint8Array, ...(string | Uint8Array)[]] = [
    `{"event_id":"${id}","event_type":"PROJECT_`,
    JSON.stringify({ ...event, event_type: null }),
    JSON.stringify({ ...event, project_id: '  ' }),
    Buffer.from(JSON.stringify({ ...event, note: 'caf\xe9' }), 'latin1'),
    JSON.stringify({ ...event, ingested_at: 'yesterday' }),
    JSON.stringify([event]),
    '\0\0\0\0',
    JSON.stringify({ ...event, event_id: null, ingested_at: null }),
  ];
  return { topic: 'events.raw', key: id, value: kinds[number % kinds.length] ?? kinds[0] };
}
