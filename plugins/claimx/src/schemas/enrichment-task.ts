import { Id, Nullable, OpenObject, type Static, Timestamp, Type } from '@pipeline-host/sdk';
import { Count, subjectFields } from './fields.ts';

const fields = {
  event_type: Id(),
  project_id: Id(),
  /** Read for the sake of older senders; ours stands in the record's headers. */
  retry_count: Count({ default: 0 }),
  created_at: Timestamp(),
  /** When the event came in. Older senders leave it out. */
  ingested_at: Nullable(Timestamp()),
  ...subjectFields,
  metadata: Nullable(OpenObject()),
};

/** An event to enrich: `enrichment.pending`. */
export const EnrichmentTask = Type.Object({ trace_id: Id(), ...fields });
export type EnrichmentTask = Static<typeof EnrichmentTask>;

/** The same with `event_id` for its id. */
export const OldEnrichmentTask = Type.Object({ event_id: Id(), ...fields });

export function upgradeEnrichmentTask({ event_id, ...task }: Static<typeof OldEnrichmentTask>): EnrichmentTask {
  return { trace_id: event_id, ...task };
}

/** The time of the event, as well as it is known. */
export const eventTimeOf = (task: EnrichmentTask): string => task.ingested_at ?? task.created_at;
