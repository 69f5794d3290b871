import { PermanentError } from '@pipeline-host/sdk';

/** An id that the API takes: digits, without leading zeros. @throws PermanentError `CLAIMX_EVENT_INVALID` for anything else */
export function numericId(value: string | null, field: string): string {
  if (value === null) throw new PermanentError('CLAIMX_EVENT_INVALID', `the event has no ${field}`);
  if (!/^\d{1,19}$/.test(value)) throw new PermanentError('CLAIMX_EVENT_INVALID', `${field} is no number`);
  return BigInt(value).toString();
}
