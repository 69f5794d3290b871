import { Id, Nullable, type Static, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { EnrichmentTask, OldEnrichmentTask } from './enrichment-task.ts';
import { Count } from './fields.ts';

const fields = {
  event_type: Id(),
  project_id: Id(),
  final_error: Nullable(Text()),
  error_category: Id(),
  retry_count: Count(),
  failed_at: Timestamp(),
};

/** How the systems before us wrote the dead letter of an event; only read, so that one put back on `enrichment.pending` is done again. */
export const FailedEnrichment = Type.Object({ trace_id: Id(), original_task: EnrichmentTask, ...fields });
export type FailedEnrichment = Static<typeof FailedEnrichment>;

/** The same with `event_id` for its ids. */
export const OldFailedEnrichment = Type.Object({ event_id: Id(), original_task: OldEnrichmentTask, ...fields });
export type OldFailedEnrichment = Static<typeof OldFailedEnrichment>;
