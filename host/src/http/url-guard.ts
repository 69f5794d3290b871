import { isIP } from 'node:net';
import { PermanentError, type UrlPolicy } from '@pipeline-host/sdk';
import type { AddressCheck } from './address-guard.ts';

const DEFAULT_PORTS: Readonly<Record<string, string>> = { 'https:': '443', 'http:': '80' };

/**
 * A URL that the policy allows, parsed. The parser is the browser's, so `0x7f.1`, `2130706433` or `[::ffff:7f00:1]` are
 * judged by the address they mean.
 *
 * @throws PermanentError `PH_HTTP_URL_REFUSED` (syntax, scheme, user info, host, port) or `PH_HTTP_ADDRESS_REFUSED` (an IP
 * literal outside the public ranges)
 */
export function checkUrl(text: string, policy: UrlPolicy, addressAllowed: AddressCheck, base?: URL): URL {
  // No cause: the parser's error carries the whole URL, and with it the signature.
  const url = URL.parse(text, base?.href);
  if (url === null) throw new PermanentError('PH_HTTP_URL_REFUSED', 'not a URL', { hint: 'give an absolute https URL' });
  const place = displayUrl(url);
  const schemes = policy.schemes ?? ['https'];
  if (!schemes.some((scheme) => `${scheme}:` === url.protocol)) {
    throw new PermanentError('PH_HTTP_URL_REFUSED', `scheme ${url.protocol.slice(0, -1)} is not allowed`, {
      place,
      hint: `allowed: ${schemes.join(', ')}`,
    });
  }
  if (url.username !== '' || url.password !== '') {
    throw new PermanentError('PH_HTTP_URL_REFUSED', 'a URL with user name or password is not allowed', {
      place,
      hint: 'take the part before @ out of the URL',
    });
  }
  if (!hostAllowed(url, policy.hosts)) throw new PermanentError('PH_HTTP_URL_REFUSED', `host ${url.host} is not allowed`, { place });
  const literal = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(literal) !== 0 && !addressAllowed(literal)) {
    throw new PermanentError('PH_HTTP_ADDRESS_REFUSED', `${literal} is not a public address`, { place });
  }
  url.hash = '';
  return url;
}

/** A bare host stands for the default port of the scheme; any other port must be listed with the host. */
function hostAllowed(url: URL, hosts: readonly string[]): boolean {
  const port = url.port || DEFAULT_PORTS[url.protocol];
  return hosts.some((entry) => {
    const host = entry.toLowerCase();
    return (host === url.hostname && url.port === '') || host === `${url.hostname}:${port}`;
  });
}

/** A URL as it may be shown: scheme, host and path. Query, fragment and user info may hold secrets. */
export function displayUrl(url: URL | string): string {
  const parsed = typeof url === 'string' ? URL.parse(url) : url;
  return parsed === null ? '(not a URL)' : `${parsed.protocol}//${parsed.host}${parsed.pathname}`;
}
