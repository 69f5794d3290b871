import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type DownloadRequest, UnavailableError } from '@pipeline-host/sdk';
import type { StagingArea } from '../../../host/src/storage/staging.ts';
import type { StagingFile } from '../../../host/src/storage/staging-file.ts';
import { type Answerer, serve, serveRaw, type TestServer } from './attachment-server.ts';
import { type HttpFixture, loopback, openHttp } from './fixture.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

function fetchFile(fixture: HttpFixture, server: TestServer, request: Partial<DownloadRequest> = {}) {
  return fixture.http.download({
    url: server.url('/files/a.txt?sig=s3cret'),
    fileName: 'a.txt',
    policy: loopback(server.host),
    ...request,
  });
}

/** The download fails as expected, says nothing of the signature and leaves nothing in the staging area. */
async function assertFails(fixture: HttpFixture, download: Promise<unknown>, expected: Readonly<Record<string, unknown>>): Promise<void> {
  await assert.rejects(download, (error: Error) => {
    assert.partialDeepStrictEqual({ ...error }, expected, error.message);
    assert.ok(!JSON.stringify([error.message, error.stack, { ...error }, String(error.cause)]).includes('s3cret'), error.message);
    return true;
  });
  assert.deepEqual(await fixture.leftovers(), []);
}

test('a downloaded file is in the staging area in whole, with the hash of what the server sent', async () => {
  const content = Buffer.alloc(1_700_000, 'abcdefg');
  await using server = await serve((_, response) => response.setHeader('content-type', 'text/plain; charset=utf-8').end(content));
  await using fixture = await openHttp();
  const { uri, ...file } = await fetchFile(fixture, server);
  assert.deepEqual(file, { bytes: content.length, sha256: sha256(content), contentType: 'text/plain; charset=utf-8', httpStatus: 200 });
  assert.match(uri, new RegExp(`^staging://${fixture.staging.id}/[0-9a-f-]{36}/a\\.txt$`));
  assert.deepEqual(await readFile(fixture.staging.localPath(uri)), content);
});

test('a body without Content-Length is as good, and many small chunks give the same file', async () => {
  await using server = await serve((_, response) => {
    for (let i = 0; i < 2_000; i++) response.write(`${i},`);
    response.end();
  });
  await using fixture = await openHttp();
  const file = await fetchFile(fixture, server);
  assert.equal(file.sha256, sha256(Buffer.from(Array.from({ length: 2_000 }, (_, i) => `${i},`).join(''))));
  assert.equal(file.contentType, null);
});

test('a compressed body is stored as it came', async () => {
  const body = gzipSync('x'.repeat(100_000));
  await using server = await serve((request, response) => {
    assert.equal(request.headers['accept-encoding'], 'identity');
    response.writeHead(200, { 'content-encoding': 'gzip', 'content-length': body.length }).end(body);
  });
  await using fixture = await openHttp();
  const file = await fetchFile(fixture, server);
  assert.deepEqual([file.bytes, file.sha256], [body.length, sha256(body)]);
});

test('two downloads of one name at a time are two files', async () => {
  let calls = 0;
  await using server = await serve((_, response) => response.end(`call ${calls++}`));
  await using fixture = await openHttp();
  const files = await Promise.all(Array.from({ length: 8 }, () => fetchFile(fixture, server)));
  assert.equal(new Set(files.map(({ uri }) => uri)).size, 8);
  assert.equal(new Set(files.map(({ sha256 }) => sha256)).size, 8);
});

test('a name is made safe and stays inside the staging area', async () => {
  await using server = await serve((_, response) => response.end('x'));
  await using fixture = await openHttp();
  for (const [name, end] of [
    ['../../evil.txt', '.._.._evil.txt'],
    [`${'n'.repeat(400)}.txt`, '.txt'],
    ['a b#?%.txt', 'a b#?%.txt'],
    ['x.part', 'x.par_'],
  ] as const) {
    const { uri } = await fetchFile(fixture, server, { fileName: name });
    const path = fixture.staging.localPath(uri);
    assert.ok(path.startsWith(`${fixture.staging.root}/`) && path.endsWith(end), path);
    assert.equal(await readFile(path, 'utf8'), 'x');
  }
});

for (const [status, headers, expected] of [
  [204, {}, { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' }],
  [206, {}, { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' }],
  [302, {}, { code: 'PH_HTTP_STATUS_UNEXPECTED', kind: 'transient' }],
  [400, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [401, {}, { code: 'PH_HTTP_LINK_UNAUTHORIZED', kind: 'transient' }],
  [403, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [404, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [405, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [408, {}, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient' }],
  [410, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [422, {}, { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent' }],
  [429, { 'retry-after': '3' }, { code: 'PH_HTTP_THROTTLED', kind: 'transient', retryAfter: 3_000 }],
  [500, {}, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient' }],
  [503, { 'retry-after': '120' }, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient', retryAfter: 120_000 }],
  [503, { 'retry-after': 'Fri, 01 Jan 2100 00:00:00 GMT' }, { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient', retryAfter: 86_400_000 }],
] as const) {
  test(`a download answered ${status} ${JSON.stringify(headers)} is ${expected.kind}`, async () => {
    await using server = await serve((_, response) => response.writeHead(status, headers).end(status === 204 ? undefined : 'no file'));
    await using fixture = await openHttp();
    await assertFails(fixture, fetchFile(fixture, server), { ...expected, httpStatus: status });
  });
}

for (const [what, answer] of [
  ['Content-Length 0', (_, response) => response.setHeader('content-length', 0).end()],
  ['an empty chunked body', (_, response) => response.writeHead(200, { 'transfer-encoding': 'chunked' }).end()],
] as const satisfies readonly (readonly [string, Answerer])[]) {
  test(`${what} is transient with a code of its own`, async () => {
    await using server = await serve(answer);
    await using fixture = await openHttp();
    await assertFails(fixture, fetchFile(fixture, server), { code: 'PH_DOWNLOAD_EMPTY', kind: 'transient' });
  });
}

for (const [what, spoken, reset] of [
  ['fewer bytes than Content-Length says', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this', false],
  ['a chunked body without its end', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\n', false],
  ['a chunk that is no chunk', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n9\r\nonly this\r\nzz\r\n', false],
  ['a reset in mid-body', 'HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly this', true],
] as const) {
  test(`${what} is a cut, transient`, async () => {
    await using server = await serveRaw((socket) => {
      socket.write(spoken, () => (reset ? setTimeout(() => socket.resetAndDestroy(), 20) : socket.end()));
    });
    await using fixture = await openHttp();
    await assertFails(fixture, fetchFile(fixture, server), { code: 'PH_DOWNLOAD_CUT', kind: 'transient' });
  });
}

test('bytes beyond Content-Length are never part of the file', async () => {
  await using server = await serveRaw((socket) =>
    socket.end('HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\nfilesurplus'),
  );
  await using fixture = await openHttp();
  const outcome = await fetchFile(fixture, server).catch((error: { code: string }) => error.code);
  if (typeof outcome === 'string') assert.equal(outcome, 'PH_DOWNLOAD_CUT');
  else assert.deepEqual([outcome.bytes, outcome.sha256], [4, sha256(Buffer.from('file'))]);
});

test('an answer that is not HTTP is transient', async () => {
  await using server = await serveRaw((socket) => socket.end('SSH-2.0-OpenSSH_9.6\r\n'));
  await using fixture = await openHttp();
  await assertFails(fixture, fetchFile(fixture, server), { code: 'PH_HTTP_CONNECTION', kind: 'transient' });
});

test('a file over maxBytes is refused by its header, and without one as soon as it is too long', async () => {
  let sent = 0;
  await using server = await serve((request, response) => {
    if (request.url?.startsWith('/declared')) return void response.setHeader('content-length', 10_001).write('x');
    const pump = (): void => {
      while (!response.destroyed) {
        sent += 65_536;
        if (!response.write(Buffer.alloc(65_536))) return void response.once('drain', pump);
      }
    };
    pump();
  });
  await using fixture = await openHttp();
  await assertFails(fixture, fetchFile(fixture, server, { url: server.url('/declared'), maxBytes: 10_000 }), {
    code: 'PH_HTTP_TOO_LARGE',
    kind: 'permanent',
  });
  await assertFails(fixture, fetchFile(fixture, server, { url: server.url('/endless'), maxBytes: 1_000_000 }), {
    code: 'PH_HTTP_TOO_LARGE',
    kind: 'permanent',
  });
  assert.ok(sent < 30_000_000, `${sent} bytes were sent`);
});

test('a body that stops coming is given up after the idle time-out', async () => {
  await using server = await serve((_, response) => response.setHeader('content-length', 100).write('begin'));
  await using fixture = await openHttp();
  await assertFails(fixture, fetchFile(fixture, server, { idleTimeout: 60 }), { code: 'PH_DOWNLOAD_STALLED', kind: 'transient' });
});

for (const [what, head] of [
  ['drips below the minimum rate', 0],
  ['begins fast and then drips', 1_000_000],
] as const) {
  test(`a body that ${what} is given up though it never stands still`, { timeout: 10_000 }, async () => {
    await using server = await serve((_, response) => {
      response.setHeader('content-length', 10_000_000);
      response.write(Buffer.alloc(head + 1));
      const drip = setInterval(() => response.write('x'), 5);
      response.on('close', () => clearInterval(drip));
    });
    await using fixture = await openHttp({ rateWindow: 150 });
    const download = fetchFile(fixture, server, { idleTimeout: 5_000, minimumRate: 5_000, signal: AbortSignal.timeout(3_000) });
    await assertFails(fixture, download, { code: 'PH_DOWNLOAD_SLOW', kind: 'transient' });
  });
}

test('a slow but steady body may take many windows', async () => {
  await using server = await serve((_, response) => {
    let left = 60;
    const drip = setInterval(() => {
      response.write(Buffer.alloc(1_000, 'y'));
      if (--left > 0) return;
      clearInterval(drip);
      response.end();
    }, 5);
    response.on('close', () => clearInterval(drip));
  });
  await using fixture = await openHttp({ rateWindow: 50 });
  assert.equal((await fetchFile(fixture, server, { idleTimeout: 2_000, minimumRate: 5_000 })).bytes, 60_000);
});

test('a server that accepts and says nothing runs into the header time-out', async () => {
  await using server = await serve(() => {});
  await using fixture = await openHttp({ headersTimeout: 100 });
  await assertFails(fixture, fetchFile(fixture, server), { code: 'PH_HTTP_TIMEOUT', kind: 'transient' });
});

test('an abort ends a download in any phase, and leaves nothing', async () => {
  const seen: string[] = [];
  await using server = await serve((request, response) => {
    seen.push(request.url ?? '');
    if (request.url === '/body') response.setHeader('content-length', 1_000_000).write('begin');
  });
  await using fixture = await openHttp();
  for (const path of ['/silent', '/body']) {
    const controller = new AbortController();
    const download = fetchFile(fixture, server, { url: server.url(path), signal: controller.signal });
    const failed = assertFails(fixture, download, { code: 'PH_HTTP_ABORTED', kind: 'transient' });
    const begun = async (): Promise<boolean> => seen.includes(path) && (path === '/silent' || (await fixture.leftovers()).length > 0);
    for (const deadline = Date.now() + 5_000; !(await begun()) && Date.now() < deadline; ) await new Promise(setImmediate);
    controller.abort();
    await failed;
  }
  const asked = seen.length;
  await assertFails(fixture, fetchFile(fixture, server, { signal: AbortSignal.abort() }), { code: 'PH_HTTP_ABORTED' });
  assert.equal(seen.length, asked);
});

test('a full or read-only disk is an outage of ours, not a fault of the record', async () => {
  await using server = await serve((_, response) => response.end(Buffer.alloc(600_000)));
  await using real = await openHttp();
  for (const code of ['PH_STAGING_FULL', 'PH_STAGING_DENIED'] as const) {
    await using fixture = await openHttp({ staging: failingStaging(real.staging, new UnavailableError(code, 'disk')) });
    await assertFails(real, fetchFile(fixture, server), { code, kind: 'unavailable' });
  }
});

/** A staging area whose disk takes nothing. */
function failingStaging(area: StagingArea, failure: Error): StagingArea {
  return new Proxy(area, {
    get(target, key) {
      if (key !== 'createFile') return Reflect.get(target, key) as unknown;
      return async (name: string): Promise<StagingFile> => {
        const file = await target.createFile(name);
        return {
          write: () => Promise.reject(failure),
          read: (p, l) => file.read(p, l),
          finish: () => file.finish(),
          discard: () => file.discard(),
        };
      };
    },
  });
}
