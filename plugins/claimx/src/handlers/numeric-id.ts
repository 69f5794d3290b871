import { PermanentError } from '@pipeline-host/sdk';

const NUMERIC = /^\d{1,19}$/;

/** What {@link numericId} gives, or null where it throws: a bad id of one event must not spoil a request that others share. */
export function numericIdOrNull(value: string | null): string | null {
  return value !== null && NUMERIC.test(value) ? BigInt(value).toString() : null;
}

/** The name of a project, however its id is written: what its events are kept apart by. */
export const projectKey = (projectId: string): string => numericIdOrNull(projectId) ?? projectId;

/** An id that the API takes: digits, without leading zeros. @throws PermanentError `CLAIMX_EVENT_INVALID` for anything else */
export function numericId(value: string | null, field: string): string {
  if (value === null) throw new PermanentError('CLAIMX_EVENT_INVALID', `the event has no ${field}`);
  const id = numericIdOrNull(value);
  if (id === null) throw new PermanentError('CLAIMX_EVENT_INVALID', `${field} is no number`);
  return id;
}
