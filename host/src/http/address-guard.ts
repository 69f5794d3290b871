import dns from 'node:dns';
import type { LookupFunction } from 'node:net';
import { PermanentError } from '@pipeline-host/sdk';
import ipaddr from 'ipaddr.js';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = readonly [Address, number];

/** Public by number, but the platform's own: Azure answers DNS, DHCP and host agents on it. */
const PLATFORM_ADDRESSES: ReadonlySet<string> = new Set(['168.63.129.16']);

/** IPv6 hands out public addresses from here alone; tunnels, mapped and translated IPv4 lie outside or are named by ipaddr.js. */
const GLOBAL_UNICAST_V6 = ipaddr.IPv6.parseCIDR('2000::/3');

/** Decides about one address. */
export type AddressCheck = (address: string) => boolean;

/**
 * A check that lets public addresses through, and those of the given CIDR ranges though they are private.
 *
 * @throws PermanentError `PH_HTTP_REQUEST_INVALID` for a range that is no CIDR
 */
export function addressCheck(privateRanges: readonly string[] = []): AddressCheck {
  const ranges = privateRanges.map(parseRange);
  return (text) => {
    if (!ipaddr.isValid(text)) return false;
    const address = ipaddr.process(text); // unwraps ::ffff:a.b.c.d
    return ranges.some((range) => contains(range, address)) || isPublic(address);
  };
}

/** Whether an address belongs to the open internet and to no private, special or platform range. */
function isPublic(address: Address): boolean {
  if (address.range() !== 'unicast') return false;
  if (address instanceof ipaddr.IPv6) return address.match(GLOBAL_UNICAST_V6);
  return !PLATFORM_ADDRESSES.has(address.toString());
}

function parseRange(cidr: string): Range {
  if (!ipaddr.isValidCIDR(cidr)) {
    throw new PermanentError('PH_HTTP_REQUEST_INVALID', `"${cidr}" in privateRanges is not a CIDR range`, {
      hint: 'write it as 10.1.0.0/16',
    });
  }
  return ipaddr.parseCIDR(cidr);
}

function contains([network, bits]: Range, address: Address): boolean {
  if (network instanceof ipaddr.IPv4) return address instanceof ipaddr.IPv4 && address.match(network, bits);
  return address instanceof ipaddr.IPv6 && address.match(network, bits);
}

/**
 * A `lookup` for sockets that refuses a name as soon as one of its addresses is not allowed, and hands exactly the
 * checked addresses to the socket: no second look-up could give another one. Sockets never call it for IP literals;
 * `checkUrl` sees to those.
 */
export function guardedLookup(allowed: AddressCheck, resolve: LookupFunction = dns.lookup): LookupFunction {
  return (hostname, options, callback) => {
    resolve(hostname, { ...options, all: true }, (error, answer) => {
      if (error) return callback(error, '', 0);
      const addresses = Array.isArray(answer) ? answer : [];
      const [first] = addresses;
      const bad = addresses.find(({ address }) => !allowed(address));
      if (first === undefined || bad !== undefined) return callback(refusal(hostname, bad?.address), '', 0);
      return options.all === true ? callback(null, addresses) : callback(null, first.address, first.family);
    });
  };
}

function refusal(hostname: string, address: string | undefined): PermanentError | Error {
  if (address === undefined) return Object.assign(new Error(`${hostname} has no address`), { code: 'ENOTFOUND' });
  return new PermanentError('PH_HTTP_ADDRESS_REFUSED', `${hostname} resolves to ${address}, which is not a public address`, {
    place: hostname,
  });
}
