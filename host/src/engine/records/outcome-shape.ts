import type { Outcome } from '@pipeline-host/sdk';

/** What a handler that threw has said. */
export const failed = (error: unknown): Outcome => ({ kind: 'retry', error, after: undefined });

/** A plugin in plain JavaScript may return anything. */
export function isOutcome(value: Outcome | undefined): value is Outcome {
  switch (value?.kind) {
    case 'done':
    case 'dead':
      return Array.isArray(value.outputs);
    case 'skip':
      // Plugins with an older copy of the SDK have none.
      return value.outputs === undefined || Array.isArray(value.outputs);
    case 'retry':
      return true;
    default:
      return false;
  }
}

export function isPromise(value: unknown): value is Promise<Outcome> {
  return typeof value === 'object' && value !== null && 'then' in value;
}
