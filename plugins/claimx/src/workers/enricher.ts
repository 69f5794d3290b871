import {
  type BatchItem,
  defineWorker,
  done,
  type Outcome,
  type OutputsOf,
  output,
  retry,
  type ServicesOf,
  skip,
  type WorkerContext,
} from '@pipeline-host/sdk';
import { ClaimXConfig } from '../config.ts';
import { numericIdOrNull, projectKey } from '../handlers/numeric-id.ts';
import { ProjectScope } from '../handlers/project-scope.ts';
import { handlerOf, isEventType } from '../handlers/registry.ts';
import { type Account, eventLogRow } from '../rows/event-log-row.ts';
import type { EnrichmentTask } from '../schemas/enrichment-task.ts';
import { entityMessage, type RowLists } from '../schemas/entity-rows.ts';
import { services } from '../services.ts';
import { downloadsPending, enrichmentPending, entitiesRows } from '../topics.ts';

const produces = [entitiesRows, downloadsPending, enrichmentPending] as const;

type Context = WorkerContext<ClaimXConfig, ServicesOf<typeof services>>;
type Item = BatchItem<EnrichmentTask, Context>;
type Enriched = Outcome<OutputsOf<typeof produces>>;

/**
 * Asks the API what events are about. A batch asks once for what several events of a project need; each event has its own
 * rows and its own end, and those of one project are handled one after the other. An event that somebody sent under another
 * key than its project's may be in another partition than they: it is sent once more, under the right one.
 */
export const enricher = defineWorker({
  consumes: enrichmentPending,
  produces,
  config: ClaimXConfig,
  services,
  concurrency: 8,
  batchSize: 20,
  // The API may be slow and is asked up to three times, and others may wait for their turn before.
  timeout: '5m',
  handleBatch: async (items) => {
    const outcomes: Enriched[] = [];
    const projects = Map.groupBy(items.entries(), ([, { message }]) => projectKey(message.project_id));
    await Promise.all(
      [...projects.values()].map(async (entries) => {
        const scope = scopeOf(entries.map(([, item]) => item));
        for (const [index, item] of entries) outcomes[index] = await enrich(item, scope);
      }),
    );
    return outcomes;
  },
  onDead: (event, { code, reason, attempts }) => [
    rowsOutput(event, {}, { status: 'failed', attempt: attempts, error: { code, reason } }, new Date().toISOString()),
  ],
});

function scopeOf(items: readonly Item[]): ProjectScope {
  // They came from one partition together, so their deadlines and its loss are theirs in common.
  const [{ message, context }] = items as readonly [Item, ...Item[]];
  const { api, projects } = context.services;
  const mediaIds = items.map((item) => item.message).filter(({ event_type }) => event_type === 'PROJECT_FILE_ADDED');
  return new ProjectScope({
    api,
    cache: projects,
    config: context.config,
    projectId: message.project_id,
    mediaIds: mediaIds.flatMap(({ media_id }) => numericIdOrNull(media_id) ?? []),
    signal: context.signal,
  });
}

async function enrich({ message: event, context }: Item, scope: ProjectScope): Promise<Enriched> {
  const { attempt, metrics, services } = context;
  const now = new Date().toISOString();
  if (!isEventType(event.event_type)) {
    metrics.count('events_unknown', { event_type: event.event_type });
    return skip('unknown event type', [rowsOutput(event, {}, { status: 'skipped', attempt }, now)]);
  }
  if (context.record.key !== projectKey(event.project_id)) return done([output(enrichmentPending, event, { headers: headersOf(event) })]);
  const began = performance.now();
  const before = scope.calls;
  try {
    const {
      rows,
      downloads = [],
      carried,
      projectId = event.project_id,
    } = await handlerOf(event.event_type)(event, scope, { trace_id: event.trace_id, now });
    if (carried !== null) {
      scope.carry(carried);
      context.onAcknowledged(() => services.projects.add(carried.id, carried.facts));
    }
    const account: Account = { status: 'success', attempt, apiCalls: scope.calls - before, duration: performance.now() - began };
    return done([
      rowsOutput(event, rows, account, now, projectId),
      ...downloads.map((task) => output(downloadsPending, task, { headers: { ...headersOf(event), media_id: task.media_id } })),
    ]);
  } catch (error) {
    services.projects.delete(projectKey(event.project_id));
    return retry(error);
  }
}

/** The rows of an event and the account of how it went, in one message. */
function rowsOutput(event: EnrichmentTask, rows: Partial<RowLists>, account: Account, now: string, project_id: string = event.project_id) {
  const message = entityMessage({ ...event, project_id }, { ...rows, event_log: [eventLogRow(event, account, now)] });
  return output(entitiesRows, message, { headers: headersOf(event) });
}

function headersOf({ trace_id }: EnrichmentTask): Readonly<Record<string, string>> {
  return { trace_id };
}
