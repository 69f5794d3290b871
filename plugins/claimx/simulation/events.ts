import type { SourceMessage } from '@pipeline-host/sdk';
import { Random } from 'pipeline-host/testing';
import { garbage } from './garbage.ts';
import { type EndOfEvent, type Happening, History } from './history.ts';
import type { ClaimXState, Media } from './state.ts';

/** A message and what must come of it. */
export interface PlannedEvent {
  readonly message: SourceMessage;
  /** Null: garbage, a dead letter of each worker that reads it. */
  readonly event: { readonly traceId: string; readonly end: EndOfEvent } | null;
  /** The file that it is about. */
  readonly media?: Media;
  readonly taskAssignmentId?: string;
  readonly videoId?: string;
}

const GARBAGE_EVERY = 250;
const DUPLICATE_EVERY = 90;
const FIRST_EVENT = Date.parse('2026-01-05T08:00:00Z');

/** An endless stream of events that follows from the seed. What an event tells of has happened to the state before it is out. */
export function* generateEvents(seed: number, state: ClaimXState): Generator<PlannedEvent> {
  const random = new Random(seed);
  const history = new History(random, state);
  let previous: PlannedEvent | null = null;
  for (let position = 1; ; position++) {
    if (position % GARBAGE_EVERY === 60) yield { message: garbage((position - 60) / GARBAGE_EVERY, random), event: null };
    else if (position % DUPLICATE_EVERY === 50 && previous !== null) yield previous;
    else {
      const time = new Date(FIRST_EVENT + position * 1_700).toISOString();
      const planned = eventOf(history.next(time), time, random);
      if (planned.event?.end === 'success') previous = planned;
      yield planned;
    }
  }
}

function eventOf(happening: Happening, now: string, random: Random): PlannedEvent {
  const traceId = `cx-evt-${random.text('0123456789abcdef', 16)}`;
  const { type, projectId, end = 'success', media, mediaId, taskAssignmentId, videoId, masterFileName, time = now } = happening;
  const names = random.next() < 0.5 ? SNAKE : CAMEL;
  const row = {
    [names.id]: traceId,
    [names.type]: type,
    [names.project]: random.next() < 0.5 ? Number(projectId) : projectId,
    [names.time]: random.pick([time, time.replace('Z', '+00:00'), time.replace('.000Z', 'Z')]),
    [names.media]: media?.id ?? mediaId ?? null,
    [names.task]: taskAssignmentId ?? null,
    [names.video]: videoId ?? null,
    [names.masterFileName]: masterFileName ?? null,
  };
  return {
    message: { topic: 'events.raw', key: traceId, value: JSON.stringify(row) },
    event: { traceId, end },
    ...(media !== undefined && { media }),
    ...(end === 'success' && taskAssignmentId !== undefined && { taskAssignmentId }),
    ...(end === 'success' && videoId !== undefined && { videoId }),
  };
}

/** Rows of the source table come in either form. */
const SNAKE = {
  id: 'event_id',
  type: 'event_type',
  project: 'project_id',
  time: 'ingested_at',
  media: 'media_id',
  task: 'task_assignment_id',
  video: 'video_collaboration_id',
  masterFileName: 'master_file_name',
} as const;
const CAMEL = {
  id: 'eventId',
  type: 'eventType',
  project: 'projectId',
  time: 'ingestedAt',
  media: 'mediaId',
  task: 'taskAssignmentId',
  video: 'videoCollaborationId',
  masterFileName: 'masterFileName',
} as const;
