import type { Http, UnavailableError } from '@pipeline-host/sdk';

/**
 * The HTTP service as one record sees it: a host that the worker's records wait for is not asked. So one that takes its time
 * to fail takes up no places of records that need another.
 *
 * @param refusal why a host is not to be asked, or null
 */
export function heldHttp(http: Http, refusal: (host: string) => UnavailableError | null): Http {
  const check = (url: string): void => {
    const host = URL.parse(url)?.host;
    const refused = host === undefined ? null : refusal(host);
    if (refused !== null) throw refused;
  };
  return {
    request: async (request) => {
      check(request.url);
      return http.request(request);
    },
    download: async (request) => {
      check(request.url);
      return http.download(request);
    },
    // It has a breaker of its own, which speaks of the API as a whole.
    api: (options) => http.api(options),
  };
}
