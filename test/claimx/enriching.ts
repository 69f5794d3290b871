import assert from 'node:assert/strict';
import { isPipelineError, type PipelineError } from '@pipeline-host/sdk';
import type { HandledMessage } from '../../host/src/testing/index.ts';
import { entitiesRows } from '../../plugins/claimx/src/index.ts';
import type { EntityRows } from '../../plugins/claimx/src/schemas/entity-rows.ts';
import { mediaAnswer, PROJECT, projectAnswer, taskAnswer, videoAnswer } from './samples.ts';
import { sent, type Workers } from './workers.ts';

/** The rows of an outcome, and how its event is logged. */
export function rowsOf(outcome: HandledMessage | undefined): EntityRows {
  const [rows, ...more] = sent(outcome, entitiesRows);
  assert.ok(rows !== undefined && more.length === 0, `one message of rows, not ${JSON.stringify(outcome)}`);
  return rows;
}
export const logOf = (outcome: HandledMessage | undefined) => rowsOf(outcome).event_log[0];
/** Why an event failed. */
export function failureOf(outcome: HandledMessage | undefined): PipelineError {
  assert.ok(isPipelineError(outcome?.error), JSON.stringify(outcome));
  return outcome.error;
}
/** A row without what says when and from which event it was made. */
export function unmarked(row: object | undefined): object {
  const marks = ['trace_id', 'created_at', 'updated_at', 'last_enriched_at'];
  return Object.fromEntries(Object.entries(row ?? {}).filter(([name]) => !marks.includes(name)));
}

/** The API has the project, its file, its task and its video. */
export function answerAll({ api }: Workers): void {
  api.answer(`GET /export/project/${PROJECT}`, { json: projectAnswer });
  api.answer(`GET /export/project/${PROJECT}/media`, { json: mediaAnswer });
  api.answer('GET /customTasks/assignment/7741025?full=true', { json: taskAnswer });
  api.answer('POST /data', { json: videoAnswer });
}

// Events about them.
export const file = { event_type: 'PROJECT_FILE_ADDED', media_id: '88231190' };
export const task = { event_type: 'CUSTOM_TASK_ASSIGNED', task_assignment_id: '7741025' };
export const video = { event_type: 'VIDEO_COLLABORATION_COMPLETED', video_collaboration_id: '30099' };
export const created = { event_type: 'PROJECT_CREATED' };
