import { eventTimeOf } from '../schemas/enrichment-task.ts';
import type { Handler } from './handler.ts';

/** A project could not be linked by itself. The event alone knows that: a row of these columns and nothing else. */
export const xaLinkingHandler: Handler = (event, { projectId }, { trace_id, now }) => ({
  rows: {
    projects: [
      {
        project_id: projectId,
        xa_autolink_fail: true,
        xa_autolink_fail_at: eventTimeOf(event),
        trace_id,
        created_at: now,
        updated_at: now,
      },
    ],
  },
  carried: null,
});
