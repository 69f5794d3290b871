import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PermanentError } from '@pipeline-host/sdk';
import { serve, serveRaw } from './attachment-server.ts';
import { loopback, openHttp } from './fixture.ts';

test('a request sends method, headers and body, and gives status, headers and body back', async () => {
  await using server = await serve(async (request, response) => {
    const chunks = await request.toArray();
    response
      .writeHead(201, { 'x-method': request.method, 'x-agent': request.headers['user-agent'], 'x-token': request.headers['x-token'] })
      .end(Buffer.concat(chunks));
  });
  await using fixture = await openHttp();
  const answer = await fixture.http.request({
    url: server.url('/'),
    method: 'POST',
    headers: { 'X-Token': 't' },
    body: '{"a":1}',
    policy: loopback(server.host),
  });
  assert.equal(answer.status, 201);
  assert.deepEqual([answer.headers['x-method'], answer.headers['x-agent'], answer.headers['x-token']], ['POST', 'pipeline-host-test', 't']);
  assert.equal(Buffer.from(answer.body).toString(), '{"a":1}');
});

for (const [status, headers, expected] of [
  [400, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [401, {}, { code: 'PH_HTTP_UNAUTHORIZED', kind: 'auth' }],
  [403, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [404, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [408, {}, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient' }],
  [429, { 'retry-after': '7' }, { code: 'PH_HTTP_THROTTLED', kind: 'transient', retryAfter: 7_000 }],
  [500, {}, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient', retryAfter: undefined }],
  [503, { 'retry-after': '2' }, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient', retryAfter: 2_000 }],
  [304, {}, { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' }],
] as const) {
  test(`a request answered ${status} fails as ${expected.kind}`, async () => {
    await using server = await serve((_, response) => response.writeHead(status, headers).end());
    await using fixture = await openHttp();
    await assert.rejects(fixture.http.request({ url: server.url('/p?sig=s3cret'), policy: loopback(server.host) }), (error: Error) => {
      assert.partialDeepStrictEqual({ ...error }, { ...expected, httpStatus: status });
      assert.equal(error.message, `${server.url('/p')} answered ${status}`);
      return true;
    });
  });
}

test('an answer over maxBytes is refused, declared or not', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/declared') response.setHeader('content-length', 2_000);
    response.end('x'.repeat(2_000));
  });
  await using fixture = await openHttp();
  for (const path of ['/declared', '/chunked']) {
    await assert.rejects(fixture.http.request({ url: server.url(path), policy: loopback(server.host), maxBytes: 1_999 }), {
      code: 'PH_HTTP_TOO_LARGE',
      kind: 'permanent',
    });
  }
});

test('the time-out is for the whole exchange, body included', async () => {
  await using server = await serve((request, response) => {
    if (request.url === '/body') response.write('first');
  });
  await using fixture = await openHttp();
  for (const path of ['/silent', '/body']) {
    await assert.rejects(fixture.http.request({ url: server.url(path), policy: loopback(server.host), timeout: 50 }), {
      code: 'PH_HTTP_TIMEOUT',
      kind: 'transient',
    });
  }
});

test("an abort ends a request with the caller's own reason", async () => {
  await using server = await serve(() => {});
  await using fixture = await openHttp();
  const controller = new AbortController();
  const answer = fixture.http.request({ url: server.url('/'), policy: loopback(server.host), signal: controller.signal });
  controller.abort(new PermanentError('TEST_REASON', 'stop'));
  await assert.rejects(answer, { code: 'TEST_REASON' });
});

test('a connection cut before the answer is transient, and close() breaks off what is under way', async () => {
  await using raw = await serveRaw((socket) => socket.destroy());
  await using fixture = await openHttp();
  await assert.rejects(fixture.http.request({ url: raw.url('/'), policy: loopback(raw.host) }), {
    code: 'PH_HTTP_CONNECTION',
    kind: 'transient',
  });
  await using silent = await serveRaw(() => {});
  const answer = fixture.http.request({ url: silent.url('/'), policy: loopback(silent.host) });
  const failed = assert.rejects(answer, { kind: 'transient' });
  await fixture.http.close();
  await failed;
});

test('what is no valid request is permanent and never sent', async () => {
  await using server = await serve((_, response) => response.end());
  await using fixture = await openHttp();
  for (const headers of [{ Host: 'internal' }, { 'x-a': 'b\r\nx-evil: 1' }, { 'bad name': 'x' }]) {
    await assert.rejects(fixture.http.request({ url: server.url('/'), policy: loopback(server.host), headers }), {
      code: 'PH_HTTP_REQUEST_INVALID',
      kind: 'permanent',
    });
  }
  assert.equal(server.requests.length, 0);
});
