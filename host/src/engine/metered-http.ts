import { type Http, isPipelineError } from '@pipeline-host/sdk';
import type { HostMetrics } from '../observability/metrics.ts';

/** The HTTP service as one plugin sees it: its downloads are counted by outcome. */
export function meteredHttp(http: Http, plugin: string, metrics: HostMetrics): Http {
  return {
    request: (request) => http.request(request),
    download: async (request) => {
      const began = performance.now();
      const seconds = (): number => (performance.now() - began) / 1000;
      try {
        const file = await http.download(request);
        metrics.downloaded(plugin, 'done', file.bytes, seconds());
        return file;
      } catch (error) {
        metrics.downloaded(plugin, isPipelineError(error) ? error.code : 'unknown', 0, seconds());
        throw error;
      }
    },
  };
}
