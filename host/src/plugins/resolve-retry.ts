import type { RetryPolicy, WorkerDefinition } from '@pipeline-host/sdk';
import type { WorkerSettings } from '../config/host-config.ts';
import type { ResolvedRetry, ResolvedWorker } from './topology.ts';

const DEFAULT_DELAYS = ['5m', '10m', '20m', '40m'];
const DEFAULT_RELEASE = 1_000;

/** Of a table writer: it holds its batch instead of delaying records. */
export const NO_DELAYS: ResolvedRetry = { mode: 'delay', delays: [], byCode: new Map(), lanes: [], release: DEFAULT_RELEASE };

/** What a resolver is given to read values with, and to complain. */
export interface RetryReader {
  /** Milliseconds. */
  readonly span: (value: number | string, setting: string) => number;
  readonly fault: (message: string, hint: string) => void;
}

/** The retry policy of a worker: the config's word over the plugin's, code by code. */
export function resolveRetry(worker: Partial<WorkerDefinition>, settings: WorkerSettings, { span, fault }: RetryReader): ResolvedRetry {
  const mode = settings.onRetry ?? worker.onRetry ?? 'delay';
  const own: RetryPolicy = worker.retry ?? {};
  const given = settings.retry?.delays ?? own.delays;
  const codes = Object.entries({ ...own.byCode, ...settings.retry?.byCode });
  if (mode === 'hold' && (settings.retry?.delays !== undefined || codes.length > 0))
    fault("retry.delays and retry.byCode say nothing where onRetry is 'hold'", "leave them out, or set onRetry: 'delay'");
  const delays = mode === 'hold' ? [] : (given ?? DEFAULT_DELAYS).map((delay, index) => span(delay, `retry.delays[${index}]`));
  const byCode = new Map(
    mode === 'hold'
      ? []
      : codes.map(([code, { delays: waits }]) => [
          code,
          waits.map((delay, index) => {
            const wait = span(delay, `retry.byCode.${code}.delays[${index}]`);
            if (!delays.includes(wait))
              fault(
                `retry.byCode.${code} waits ${JSON.stringify(delay)}, which is none of retry.delays`,
                'add it to retry.delays, where each wait has a lane, or use one that is there',
              );
            return wait;
          }),
        ]),
  );
  return { mode, delays, byCode, lanes: delays, release: settings.retry?.releasePerSecond ?? DEFAULT_RELEASE };
}

/** Where all workers of a plugin share one retry topic it has a lane for each wait of any of them. */
export function shareRetryTopic(workers: readonly ResolvedWorker[], topic: string): readonly ResolvedWorker[] {
  const lanes = [...new Set(workers.flatMap(({ settings }) => settings.retry.delays))].sort((left, right) => left - right);
  return workers.map((worker) =>
    worker.consumes !== null
      ? {
          ...worker,
          retryTopic: topic,
          retryShared: true,
          settings: { ...worker.settings, retry: { ...worker.settings.retry, lanes } },
        }
      : worker,
  );
}
