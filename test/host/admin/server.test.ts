import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { afterEach, describe, it } from 'node:test';
import { isPipelineError, PermanentError } from '@pipeline-host/sdk';
import { watchEventLoop } from '../../../host/src/admin/event-loop-watch.ts';
import { type AdminServer, type AdminServerOptions, startAdminServer } from '../../../host/src/admin/server.ts';
import type { HostStatus, UnitState } from '../../../host/src/engine/status.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { createMetrics } from '../../../host/src/observability/metrics.ts';

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
  })),
});

const open: AdminServer[] = [];
const logged: string[] = [];
async function start(options: Partial<AdminServerOptions> = {}): Promise<AdminServer> {
  const log = createLogger({ level: 'info', destination: { write: (line) => logged.push(line) } });
  const server = await startAdminServer({ status: () => statusOf({ kind: 'idle' }), metrics: createMetrics(), log, ...options });
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
