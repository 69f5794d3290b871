import { type Http, isPipelineError } from '@pipeline-host/sdk';
import type { HostMetrics } from '../observability/metrics.ts';

/** The HTTP service as one plugin sees it: its downloads and what it asks of APIs are counted by outcome. */
export function meteredHttp(http: Http, plugin: string, metrics: HostMetrics): Http {
  return {
    request: (request) => http.request(request),
    download: (request) =>
      timed(
        () => http.download(request),
        (outcome, seconds, file) => metrics.downloaded(plugin, outcome, file?.bytes ?? 0, seconds),
      ),
    api: (options) => {
      const api = http.api(options);
      return {
        request: (request) =>
          timed(
            () => api.request(request),
            (outcome, seconds) => metrics.apiAsked(plugin, options.name, outcome, seconds),
          ),
      };
    },
  };
}

/** Tells how the work ended and after how long. */
async function timed<T>(work: () => Promise<T>, tell: (outcome: string, seconds: number, result?: T) => void): Promise<T> {
  const began = performance.now();
  const seconds = (): number => (performance.now() - began) / 1000;
  try {
    const result = await work();
    tell('done', seconds(), result);
    return result;
  } catch (error) {
    tell(isPipelineError(error) ? error.code : 'unknown', seconds());
    throw error;
  }
}
