import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { afterEach, describe, it } from 'node:test';
import { isPipelineError, PermanentError } from '@pipeline-host/sdk';
import { watchEventLoop } from '../../../host/src/admin/event-loop-watch.ts';
import { type AdminServer, type AdminServerOptions, startAdminServer } from '../../../host/src/admin/server.ts';
import { DeadLetters } from '../../../host/src/dlq/dead-letters.ts';
import type { HostStatus, UnitState } from '../../../host/src/engine/status.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { createMetrics } from '../../../host/src/observability/metrics.ts';
import { openStore } from '../../../host/src/storage/index.ts';

const statusOf = (...states: UnitState[]): HostStatus => ({
  startedAt: '2026-01-05T14:22:07Z',
  version: '1.2.3',
  clusters: [],
  units: states.map((state, index) => ({
    id: `weather.writer#${index + 1}`,
    plugin: 'weather',
    worker: 'writer',
    state,
    counts: { received: 0, done: 0, skipped: 0, retried: 0, dead: 0 },
    open: 0,
    delayed: null,
    lag: null,
    oldestOpen: null,
    partitions: 0,
    balance: null,
    exactResume: null,
    alerts: [],
    held: [],
    postponed: 0,
  })),
});

const open: AdminServer[] = [];
const logged: string[] = [];
const deadLetters = new DeadLetters({
  workers: [],
  clusters: { get: () => Promise.reject(new Error('no cluster is part of this test')) },
  defaultCluster: 'default',
  create: false,
  files: openStore(tmpdir()),
  log: createLogger({ level: 'silent' }),
});
async function start(options: Partial<AdminServerOptions> = {}): Promise<AdminServer> {
  const log = createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } });
  const server = await startAdminServer({
    status: () => statusOf({ kind: 'idle' }),
    metrics: createMetrics(),
    log,
    admin: { token: undefined, name: 'admin', deadLetters },
    ...options,
  });
  open.push(server);
  return server;
}
afterEach(async () => {
  for (const server of open.splice(0)) await server.close();
});

describe('readiness', () => {
  it('is 200 while every unit is idle or working', async () => {
    const { url } = await start({ status: () => statusOf({ kind: 'idle' }, { kind: 'working' }) });
    assert.match(url, /^http:\/\/127\.0\.0\.1:\d+$/);
    const response = await fetch(`${url}/health/ready`);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), {
      status: 'ok',
      reasons: [],
      units: [
        { unit: 'weather.writer#1', state: 'idle' },
        { unit: 'weather.writer#2', state: 'working' },
      ],
    });
  });

  const bad: readonly UnitState[] = [
    { kind: 'starting' },
    { kind: 'draining' },
    { kind: 'stopped' },
    { kind: 'paused', reason: 'broker down', code: 'PH_KAFKA_DOWN' },
    { kind: 'failed', reason: 'no such table', code: 'PH_DELTA_X' },
    { kind: 'stalled', reason: 'nothing settled for 60 s' },
  ];
  for (const state of bad) {
    it(`is 503 while a unit is ${state.kind}, and names it`, async () => {
      const { url } = await start({ status: () => statusOf({ kind: 'idle' }, state) });
      const response = await fetch(`${url}/health/ready`);
      assert.equal(response.status, 503);
      const body = (await response.json()) as { status: string; reasons: string[]; units: Record<string, string>[] };
      assert.equal(body.status, 'failing');
      assert.match(body.reasons.join(), new RegExp(`weather.writer#2 is ${state.kind}`));
      if ('reason' in state) assert.ok(body.reasons.join().includes(state.reason));
      if ('code' in state) assert.equal(body.units[1]?.['code'], state.code);
    });
  }

  it('is 503 where nothing runs', async () => {
    const { url } = await start({ status: () => statusOf() });
    assert.equal((await fetch(`${url}/health/ready`)).status, 503);
  });
});

describe('liveness', () => {
  it('stays 200 through starting, pauses, failures and draining: a restart would not help', async () => {
    const { url } = await start({
      status: () =>
        statusOf(
          { kind: 'starting' },
          { kind: 'paused', reason: 'r', code: 'c' },
          { kind: 'failed', reason: 'r', code: 'c' },
          { kind: 'draining' },
        ),
    });
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
  });

  it('is 503 while a unit is stalled', async () => {
    const { url } = await start({ status: () => statusOf({ kind: 'stalled', reason: 'nothing settled for 60 s' }) });
    const response = await fetch(`${url}/health/live`);
    assert.equal(response.status, 503);
    assert.match(await response.text(), /nothing settled for 60 s/);
  });

  it('is 503 after the event loop was blocked for longer than the limit', async () => {
    const { url } = await start({ blockedLimit: 50 });
    assert.equal((await fetch(`${url}/health/live`)).status, 200);
    const until = performance.now() + 700;
    while (performance.now() < until);
    const response = await fetch(`${url}/health/live`);
    assert.equal(response.status, 503);
    assert.match(await response.text(), /event loop was blocked/);
  });

  it('forgets a block after a while', () => {
    let time = 0;
    const watch = watchEventLoop({ limit: 1_000, remember: 30_000, now: () => time });
    time = 5_500;
    assert.equal(watch.blockedFor(), 5_000);
    for (let beat = 0; beat < 58; beat += 1) {
      time += 500;
      assert.equal(watch.blockedFor(), 5_000);
    }
    time += 1_400;
    assert.equal(watch.blockedFor(), null);
    watch.stop();
  });
});

describe('the admin API', () => {
  const token = 'correct-horse-battery';
  const admin = { token, name: 'ops', deadLetters };
  const ask = (url: string, path: string, headers: Record<string, string> = {}, init: RequestInit = {}) =>
    fetch(`${url}/admin/v1${path}`, { ...init, headers });
  const bearer = { authorization: `Bearer ${token}` };
  const routes = ['/status', '/dead-letters', '/dead-letters/a.dlq:0:0', '/openapi.json'];

  it('answers 403 and how to set a token where none is configured, whatever is sent', async () => {
    const { url } = await start();
    for (const route of routes) {
      const response = await ask(url, route, bearer);
      assert.equal(response.status, 403, route);
      assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
      const body = (await response.json()) as Record<string, unknown>;
      assert.equal(body['code'], 'PH_ADMIN_TOKEN_UNSET');
      assert.match(String(body['hint']), /http\.admin\.token.*\$\{env:NAME\}/);
    }
  });

  it('answers 401 without the right token, before it looks at anything else', async () => {
    const { url } = await start({ admin });
    const wrong = [{}, { authorization: 'Bearer wrong' }, { authorization: `Bearer ${token}x` }, { authorization: `Basic ${token}` }];
    for (const route of routes) {
      for (const headers of wrong) {
        const response = await ask(url, route, headers);
        assert.equal(response.status, 401, route);
        assert.equal(response.headers.get('www-authenticate'), 'Bearer');
        assert.equal(((await response.json()) as Record<string, unknown>)['code'], 'PH_ADMIN_UNAUTHORIZED');
      }
    }
    assert.equal((await ask(url, '/dead-letters/a.dlq:0:0/replay', {}, { method: 'POST', body: 'x'.repeat(100_000) })).status, 401);
    for (const route of ['/health/live', '/metrics']) assert.equal((await fetch(url + route)).status, 200, 'health and metrics are open');
  });

  it('shows the status of every unit', async () => {
    const { url } = await start({ admin, status: () => statusOf({ kind: 'idle' }, { kind: 'paused', reason: 'r', code: 'C' }) });
    const response = await ask(url, '/status', bearer);
    assert.equal(response.status, 200);
    assert.match(response.headers.get('content-type') ?? '', /^application\/json/);
    assert.deepEqual(await response.json(), statusOf({ kind: 'idle' }, { kind: 'paused', reason: 'r', code: 'C' }));
  });

  it('takes the cursor of a thousand partitions', async () => {
    const { url } = await start({ admin });
    const partitions = Object.fromEntries(Array.from({ length: 1_000 }, (_, partition) => [partition, 123_456_789]));
    const cursor = Buffer.from(JSON.stringify({ 'a.dlq': partitions })).toString('base64url');
    const response = await ask(url, `/dead-letters?cursor=${cursor}`, bearer);
    assert.equal(response.status, 200);
    assert.deepEqual(await response.json(), { items: [], cursor: null });
  });

  it('refuses what it does not know: query, body, media type, size', async () => {
    const { url } = await start({ admin });
    const json = { ...bearer, 'content-type': 'application/json' };
    const post = (body: string, headers: Record<string, string> = json) =>
      ask(url, '/dead-letters/a.dlq:0:0/discard', headers, { method: 'POST', body });
    const refused: readonly (readonly [number, Promise<Response>])[] = [
      [400, ask(url, '/dead-letters?limit=501', bearer)],
      [400, ask(url, '/dead-letters?wrker=a', bearer)],
      [400, ask(url, '/dead-letters?from=yesterday', bearer)],
      [400, post('{')],
      [400, post('{}')],
      [400, post('{"reason":"r","force":true}')],
      [415, post('{"reason":"r"}', { ...bearer, 'content-type': 'text/plain' })],
      [413, post(JSON.stringify({ reason: 'x'.repeat(70_000) }))],
      [404, post('{"reason":"r"}')],
      [404, ask(url, `/dead-letters/${'q'.repeat(249)}~${'t'.repeat(249)}:12:345`, bearer)],
      [400, ask(url, '/dead-letters/%zz', bearer)],
      [414, ask(url, `/dead-letters/${'q'.repeat(700)}`, bearer)],
    ];
    for (const [status, answer] of refused) {
      const response = await answer;
      const body = (await response.json()) as Record<string, unknown>;
      assert.equal(response.status, status, JSON.stringify(body));
      assert.equal(body['status'], status);
      assert.match(String(body['code']), status === 404 ? /^PH_DLQ_NOT_FOUND$/ : /^PH_ADMIN_REQUEST_INVALID$/);
    }
  });

  it('writes down who changes what, before it and after', async () => {
    logged.length = 0;
    const { url } = await start({ admin });
    await ask(url, '/dead-letters/a.dlq:0:0/replay', bearer, { method: 'POST' });
    const lines = logged.map((line) => JSON.parse(line) as Record<string, unknown>).filter((line) => 'audit' in line);
    assert.deepEqual(
      lines.map(({ audit, actor, deadLetter, outcome, code }) => [audit, actor, deadLetter, outcome, code]),
      [
        ['replay', 'ops', 'a.dlq:0:0', 'initiated', undefined],
        ['replay', 'ops', 'a.dlq:0:0', 'failed', 'PH_DLQ_NOT_FOUND'],
      ],
    );
  });

  it('describes itself: every route with its answers, parameters and token', async () => {
    const { url } = await start({ admin });
    const response = await ask(url, '/openapi.json', bearer);
    const document = (await response.json()) as OpenApi;
    assert.match(document.openapi, /^3\.1/);
    const described = Object.entries(document.paths).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method} ${path}`),
    );
    assert.deepEqual(described.filter((route) => route.includes('/admin/v1')).toSorted(), [
      'get /admin/v1/dead-letters',
      'get /admin/v1/dead-letters/{id}',
      'get /admin/v1/status',
      'post /admin/v1/dead-letters/{id}/discard',
      'post /admin/v1/dead-letters/{id}/replay',
    ]);
    const list = document.paths['/admin/v1/dead-letters']?.['get'];
    assert.ok(list?.parameters?.some(({ name }) => name === 'disposition'));
    assert.deepEqual(list?.security, [{ bearer: [] }]);
    const answers = (path: string, method: string): string =>
      Object.keys(document.paths[`/admin/v1${path}`]?.[method]?.responses ?? {})
        .toSorted()
        .join(' ');
    assert.equal(answers('/status', 'get'), '200 401 403 500');
    assert.equal(answers('/dead-letters', 'get'), '200 400 401 403 500 503');
    assert.equal(answers('/dead-letters/{id}', 'get'), '200 400 401 403 404 414 500 503');
    for (const change of ['replay', 'discard'])
      assert.equal(answers(`/dead-letters/{id}/${change}`, 'post'), '200 400 401 403 404 409 413 414 415 422 500 503');
  });
});

interface OpenApi {
  readonly openapi: string;
  readonly paths: Readonly<
    Record<
      string,
      Readonly<
        Record<
          string,
          { readonly parameters?: readonly { readonly name: string }[]; readonly security?: unknown; readonly responses: object }
        >
      >
    >
  >;
}

describe('the admin server', () => {
  it('serves Prometheus text', async () => {
    const metrics = createMetrics();
    metrics.forPlugin('weather').count('readings', {}, 3);
    const { url } = await start({ metrics });
    const response = await fetch(`${url}/metrics`);
    assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
    assert.match(await response.text(), /^weather_readings 3$/m);
  });

  it('answers 404 with a problem that has a code and leaks no query', async () => {
    const { url } = await start();
    const response = await fetch(`${url}/nothing?token=deadbeef`);
    assert.equal(response.status, 404);
    assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
    const body = (await response.json()) as Record<string, unknown>;
    assert.equal(body['code'], 'PH_ADMIN_NOT_FOUND');
    assert.equal(body['status'], 404);
    assert.ok(!JSON.stringify(body).includes('deadbeef'));
  });

  it('answers 500 with a problem, keeps the text of foreign errors to itself and logs it redacted', async () => {
    logged.length = 0;
    const { url } = await start({
      status: () => {
        throw new Error('cannot reach https://h/p?sig=deadbeef');
      },
    });
    const response = await fetch(`${url}/health/live`);
    assert.equal(response.status, 500);
    const text = await response.text();
    assert.match(text, /PH_ADMIN_FAILED/);
    assert.ok(!text.includes('cannot reach'));
    assert.match(logged.join(''), /cannot reach https:\/\/h\/p\?<redacted>/);
  });

  it('gives our own errors with their code and hint', async () => {
    const { url } = await start({
      status: () => {
        throw new PermanentError('PH_A_B', 'no token=deadbeef', { hint: 'mend it' });
      },
    });
    const body = (await (await fetch(`${url}/health/ready`)).json()) as Record<string, unknown>;
    assert.deepEqual(body, {
      type: 'about:blank',
      title: 'Internal error',
      status: 500,
      code: 'PH_A_B',
      detail: 'no token=<redacted>',
      hint: 'mend it',
    });
  });

  it('refuses a port in use with code, place and fix', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => other.once('listening', resolve));
    const { port } = other.address() as { port: number };
    await assert.rejects(start({ port }), (error) => {
      assert.ok(isPipelineError(error));
      assert.equal(error.code, 'PH_HTTP_PORT_IN_USE');
      assert.equal(error.exitCode, 3);
      assert.match(`${error.place} ${error.hint}`, /http\.port/);
      return true;
    });
    other.close();
  });

  it('closes at once although a client keeps its connection', async () => {
    const server = await start();
    const { url } = server;
    await (await fetch(`${url}/health/live`)).text();
    const begun = performance.now();
    await Promise.all([server.close(), server.close()]);
    assert.ok(performance.now() - begun < 2_000);
    await assert.rejects(fetch(`${url}/health/live`));
  });
});
