import { type ApiOptions, type ApiRequest, PermanentError, type UrlPolicy } from '@pipeline-host/sdk';
import { displayUrl } from './url-guard.ts';

/** Where an API is, and what of it may be asked. */
export interface ApiBase {
  readonly url: string;
  readonly policy: UrlPolicy;
  /** Fit to be shown. */
  readonly place: string;
}

/** @throws PermanentError `PH_HTTP_REQUEST_INVALID` for what is no address that paths can be put behind */
export function apiBase({ name, baseUrl, privateRanges }: ApiOptions): ApiBase {
  const url = URL.parse(baseUrl);
  if ((url?.protocol !== 'https:' && url?.protocol !== 'http:') || baseUrl.endsWith('/') || url.search !== '' || url.hash !== '') {
    throw new PermanentError('PH_HTTP_REQUEST_INVALID', `the address of ${name} is no base URL`, {
      hint: 'write it as https://host/path, without a slash at its end, query or fragment',
    });
  }
  const policy: UrlPolicy = {
    hosts: [url.host],
    schemes: [url.protocol === 'http:' ? 'http' : 'https'],
    ...(privateRanges !== undefined && { privateRanges }),
  };
  return { url: baseUrl, policy, place: displayUrl(url) };
}

/** The URL of a request. @throws PermanentError `PH_HTTP_REQUEST_INVALID` for a path that leads out of the API */
export function apiUrl(base: ApiBase, { path, query = {} }: ApiRequest): string {
  const root = URL.parse(`${base.url}/`);
  const url = URL.parse(`${base.url}${path}`);
  if (root === null || url === null || !path.startsWith('/') || !url.href.startsWith(root.href)) {
    throw new PermanentError('PH_HTTP_REQUEST_INVALID', `a path leads out of ${base.place}`, {
      place: base.place,
      hint: 'begin paths with a slash, and encode what is put into them',
    });
  }
  for (const [parameter, value] of Object.entries(query)) url.searchParams.append(parameter, value);
  return url.href;
}
