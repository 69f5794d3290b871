import { day, defineTableWriter, text, writtenAt } from '@pipeline-host/sdk';
import { claimxEvents } from '../tables/events.ts';
import { eventsRaw } from '../topics.ts';

/** Writes every event to `claimx_events`. */
export const eventWriter = defineTableWriter({
  consumes: eventsRaw,
  writes: [claimxEvents],
  columns: {
    trace_id: text('trace_id'),
    event_type: text('event_type'),
    project_id: text('project_id'),
    media_id: text('media_id'),
    task_assignment_id: text('task_assignment_id'),
    video_collaboration_id: text('video_collaboration_id'),
    master_file_name: text('master_file_name'),
    ingested_at: text('ingested_at'),
    created_at: writtenAt(),
    event_date: day(text('ingested_at')),
  },
});
