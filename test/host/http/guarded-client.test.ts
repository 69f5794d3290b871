import assert from 'node:assert/strict';
import type { LookupAddress } from 'node:dns';
import type { LookupFunction } from 'node:net';
import { after, before, test } from 'node:test';
import type { UrlPolicy } from '@pipeline-host/sdk';
import { serve, type TestServer } from './attachment-server.ts';
import { loopback, openHttp } from './fixture.ts';
import { loopbackTls } from './loopback-tls.ts';

let server: TestServer;
before(async () => {
  server = await serve((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '/', 'http://x');
    const target = searchParams.get('to');
    if (target !== null) return void response.writeHead(Number(searchParams.get('status') ?? 302), { location: target }).end('moved');
    response.end(`content of ${pathname}`);
  });
});
after(() => server[Symbol.asyncDispose]());

/** A resolver whose answers are set out in advance: one list of addresses a look-up, the last one for good. */
function resolver(...answers: readonly (readonly string[])[]): LookupFunction & { calls: number } {
  const lookup = ((_hostname, _options, callback) => {
    const addresses = answers[Math.min(lookup.calls++, answers.length - 1)] ?? [];
    callback(
      null,
      addresses.map((address): LookupAddress => ({ address, family: address.includes(':') ? 6 : 4 })),
    );
  }) as LookupFunction & { calls: number };
  lookup.calls = 0;
  return lookup;
}

const byName = (policy: Partial<UrlPolicy> = {}): UrlPolicy => ({
  hosts: [`files.example.com:${server.port}`],
  schemes: ['http'],
  ...policy,
});
const namedUrl = (path = '/a.txt') => `http://files.example.com:${server.port}${path}`;

for (const [what, addresses] of [
  ['a private address', ['127.0.0.1']],
  ['one public and one private address', ['8.8.8.8', '127.0.0.1']],
  ['a private address spelled as IPv6', ['::ffff:127.0.0.1']],
  ['the metadata service', ['169.254.169.254']],
] as const) {
  test(`a name that resolves to ${what} is refused before a connection is made`, async () => {
    const asked = server.requests.length;
    await using fixture = await openHttp({ lookup: resolver(addresses) });
    await assert.rejects(fixture.http.request({ url: namedUrl(), policy: byName() }), {
      code: 'PH_HTTP_ADDRESS_REFUSED',
      kind: 'permanent',
    });
    assert.equal(server.requests.length, asked);
  });
}

test('a name that changes from a public to a private address is refused: what was checked is what is connected to', async () => {
  const asked = server.requests.length;
  const lookup = resolver(['203.0.114.1'], ['127.0.0.1']);
  await using fixture = await openHttp({ lookup, connectTimeout: 200 });
  await assert.rejects(fixture.http.request({ url: namedUrl(), policy: byName(), timeout: 400 }), { kind: 'transient' });
  assert.equal(lookup.calls, 1, 'one look-up a connection');
  await assert.rejects(fixture.http.request({ url: namedUrl(), policy: byName() }), { code: 'PH_HTTP_ADDRESS_REFUSED' });
  assert.equal(server.requests.length, asked);
});

test('a connection that a policy with private ranges opened is not lent to a policy without them', async () => {
  await using fixture = await openHttp({ lookup: resolver(['127.0.0.1']) });
  const answer = await fixture.http.request({ url: namedUrl(), policy: byName({ privateRanges: ['127.0.0.1/32'] }) });
  assert.equal(Buffer.from(answer.body).toString(), 'content of /a.txt');
  await assert.rejects(fixture.http.request({ url: namedUrl(), policy: byName() }), { code: 'PH_HTTP_ADDRESS_REFUSED' });
});

test('a name without an address and a closed port may be mended, so they are transient', async () => {
  await using fixture = await openHttp({ lookup: resolver([]) });
  await assert.rejects(fixture.http.request({ url: namedUrl(), policy: byName() }), { code: 'PH_HTTP_CONNECTION', kind: 'transient' });
  const closed = await serve(() => {});
  await closed[Symbol.asyncDispose]();
  await assert.rejects(fixture.http.request({ url: closed.url('/'), policy: loopback(closed.host) }), {
    code: 'PH_HTTP_CONNECTION',
    kind: 'transient',
  });
});

test('redirects are followed to the third and no further', async () => {
  await using fixture = await openHttp();
  const policy = loopback(server.host);
  const chain = (hops: number): string => (hops === 0 ? '/end' : `/hop?to=${encodeURIComponent(chain(hops - 1))}`);
  assert.equal(Buffer.from((await fixture.http.request({ url: server.url(chain(3)), policy })).body).toString(), 'content of /end');
  await assert.rejects(fixture.http.request({ url: server.url(chain(4)), policy }), {
    code: 'PH_HTTP_REDIRECT_REFUSED',
    kind: 'permanent',
  });
  await assert.rejects(fixture.http.request({ url: server.url(chain(1)), policy: { ...policy, maxRedirects: 0 } }), {
    code: 'PH_HTTP_REDIRECT_REFUSED',
  });
});

for (const [what, target, code] of [
  ['to an IP literal', 'http://169.254.169.254/latest/meta-data', 'PH_HTTP_URL_REFUSED'],
  ['to an IP literal spelled as a number', 'http://2130706433/', 'PH_HTTP_URL_REFUSED'],
  ['to another port', 'http://127.0.0.1:1/', 'PH_HTTP_URL_REFUSED'],
  ['to a host that is not listed', 'https://evil.example/?sig=s3cret', 'PH_HTTP_URL_REFUSED'],
  ['to a listed name with a private address', 'http://internal.example/', 'PH_HTTP_ADDRESS_REFUSED'],
  ['to a listed private literal', 'http://10.0.0.7/', 'PH_HTTP_ADDRESS_REFUSED'],
  ['to a URL with user info', 'http://u:s3cret@internal.example/', 'PH_HTTP_URL_REFUSED'],
  ['to another scheme', 'file:///etc/passwd', 'PH_HTTP_URL_REFUSED'],
] as const) {
  test(`a redirect ${what} is refused`, async () => {
    await using fixture = await openHttp({ lookup: resolver(['10.0.0.7']) });
    const policy = loopback(server.host, 'internal.example', '10.0.0.7');
    await assert.rejects(
      fixture.http.request({ url: server.url(`/?to=${encodeURIComponent(target)}`), policy }),
      (error: Error & { code: string; kind: string }) =>
        error.code === code && error.kind === 'permanent' && !error.message.includes('s3cret'),
    );
  });
}

test('a redirect from https to http is refused, and the other way round followed', async () => {
  await using secure = await serve((request, response) => {
    if (request.url === '/end') return void response.end('secure');
    response.writeHead(302, { location: server.url('/end') }).end();
  }, loopbackTls);
  await using fixture = await openHttp({ ca: loopbackTls.cert });
  const policy = loopback(server.host, secure.host);
  await assert.rejects(fixture.http.request({ url: secure.url('/'), policy }), { code: 'PH_HTTP_REDIRECT_REFUSED', kind: 'permanent' });
  const answer = await fixture.http.request({ url: server.url(`/?to=${encodeURIComponent(secure.url('/end'))}`), policy });
  assert.equal(Buffer.from(answer.body).toString(), 'secure');
});

test('a certificate that nobody vouches for is refused', async () => {
  await using secure = await serve((_, response) => response.end('secure'), loopbackTls);
  await using fixture = await openHttp();
  await assert.rejects(fixture.http.request({ url: secure.url('/'), policy: loopback(secure.host) }), {
    code: 'PH_HTTP_CONNECTION',
    kind: 'transient',
  });
});

test('a redirect without a usable target is asked again, and one of a POST is refused', async () => {
  await using odd = await serve((request, response) =>
    response.writeHead(302, request.url === '/bad' ? { location: 'http://[' } : {}).end(),
  );
  await using fixture = await openHttp();
  const policy = loopback(odd.host, server.host);
  await assert.rejects(fixture.http.request({ url: odd.url('/none'), policy }), { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' });
  await assert.rejects(fixture.http.request({ url: odd.url('/bad'), policy }), { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' });
  const asked = server.requests.length;
  await assert.rejects(fixture.http.request({ url: server.url('/?status=307&to=/end'), method: 'POST', body: '{}', policy }), {
    code: 'PH_HTTP_REDIRECT_REFUSED',
  });
  assert.equal(server.requests.length, asked + 1);
});

test('credentials are left behind when a redirect changes the origin', async () => {
  await using other = await serve((_, response) => response.end());
  await using fixture = await openHttp();
  const policy = loopback(server.host, other.host);
  const headers = { Authorization: 'Bearer s3cret', 'X-Api-Key': 's3cret', Cookie: 's3cret', Accept: 'text/plain' };
  await fixture.http.request({ url: server.url(`/?to=${encodeURIComponent(other.url('/'))}`), headers, policy });
  const [request] = other.requests;
  assert.ok(request !== undefined && !JSON.stringify(request.headers).includes('s3cret'));
  assert.equal(request.headers.accept, 'text/plain');
  await fixture.http.request({ url: server.url('/?to=/end'), headers, policy });
  assert.equal(server.requests.at(-1)?.headers.authorization, 'Bearer s3cret', 'the same origin still gets them');
});

test('proxy variables are not looked at', async () => {
  const names = ['http_proxy', 'HTTP_PROXY', 'https_proxy', 'all_proxy', 'NODE_USE_ENV_PROXY'] as const;
  const kept = names.map((name) => process.env[name]);
  await using trap = await serve((_, response) => response.end('trapped'));
  for (const name of names) process.env[name] = name === 'NODE_USE_ENV_PROXY' ? '1' : trap.url('');
  try {
    await using fixture = await openHttp();
    await fixture.http.request({ url: server.url('/direct'), policy: loopback(server.host) });
    assert.equal(trap.requests.length, 0);
  } finally {
    for (const [index, name] of names.entries()) {
      const value = kept[index];
      if (value === undefined) delete process.env[name];
      else process.env[name] = value;
    }
  }
});

test('no more connections go to one host than allowed', async () => {
  const waiting: (() => void)[] = [];
  let released = false;
  await using slow = await serve((request, response) => {
    if (request.url === '/control' || released) response.end('x');
    else waiting.push(() => response.end('x'));
  });
  const policy = loopback(slow.host);
  await using fixture = await openHttp({ connectionsPerHost: 3 });
  await using other = await openHttp();
  const answers = Array.from({ length: 12 }, () => fixture.http.request({ url: slow.url('/'), policy }));
  for (const deadline = Date.now() + 5_000; waiting.length < 3 && Date.now() < deadline; ) await new Promise(setImmediate);
  // Twenty round trips begun later than the twelve: what had been sent to the server has arrived by then.
  for (let i = 0; i < 20; i++) await other.http.request({ url: slow.url('/control'), policy });
  assert.equal(waiting.length, 3);
  released = true;
  for (const answer of waiting) answer();
  assert.equal((await Promise.all(answers)).length, 12);
});
