import { defineWorker, done, output } from '@pipeline-host/sdk';
import type { EnrichmentTask } from '../schemas/enrichment-task.ts';
import type { EventMessage } from '../schemas/event.ts';
import { enrichmentPending, eventsRaw } from '../topics.ts';

/** Turns each event into the task to enrich it. Which types are known is the enricher's question. */
export const ingester = defineWorker({
  consumes: eventsRaw,
  produces: [enrichmentPending],
  concurrency: 50,
  handle: (event) => done([output(enrichmentPending, taskOf(event), { headers: { trace_id: event.trace_id } })]),
});

/** The task of an event, the same each time it is made. */
export function taskOf(event: EventMessage): EnrichmentTask {
  const { trace_id, event_type, project_id, ingested_at, media_id, task_assignment_id, video_collaboration_id, master_file_name } = event;
  return {
    trace_id,
    event_type,
    project_id,
    retry_count: 0,
    created_at: ingested_at,
    ingested_at,
    media_id,
    task_assignment_id,
    video_collaboration_id,
    master_file_name,
    metadata: null,
  };
}
