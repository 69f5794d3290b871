import { errorText } from '@pipeline-host/sdk';
import type { EnrichmentTask } from '../schemas/enrichment-task.ts';
import type { EntityRowsOf } from '../schemas/entity-rows.ts';

/** How an attempt ended. */
export interface Account {
  readonly status: 'success' | 'failed' | 'skipped';
  /** 1 for the first. */
  readonly attempt: number;
  readonly error?: { readonly code: string; readonly reason: string };
  readonly apiCalls?: number;
  /** Milliseconds. */
  readonly duration?: number;
}

/** The row of an attempt. */
export function eventLogRow(event: EnrichmentTask, account: Account, now: string): EntityRowsOf<'event_log'>[number] {
  const { status, attempt, error, apiCalls, duration } = account;
  return {
    trace_id: event.trace_id,
    attempt,
    event_type: event.event_type,
    project_id: event.project_id,
    status,
    error_message: error === undefined ? null : errorText(error.reason),
    error_category: error?.code ?? null,
    api_calls: apiCalls ?? null,
    duration_ms: duration === undefined ? null : Math.round(duration),
    retry_count: attempt - 1,
    processed_at: now,
    processed_date: now.slice(0, 10),
  };
}
