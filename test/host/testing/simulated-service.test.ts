import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, fileContent, Random, rules, type ServiceOptions, startService } from '../../../host/src/testing/index.ts';

/** Statuses of one request after the other. */
async function statuses(url: string, paths: readonly string[], headers: Readonly<Record<string, string>> = {}): Promise<readonly number[]> {
  const found: number[] = [];
  for (const path of paths) {
    const response = await fetch(`${url}${path}`, { headers });
    await response.arrayBuffer();
    found.push(response.status);
  }
  return found;
}

const times = (count: number, path: string): readonly string[] => Array.from({ length: count }, () => path);
const fine: ServiceOptions['routes'] = { '* /*': () => answer.json({ ok: true }) };

describe('a simulated service', () => {
  it('answers by method and pattern, with state of its own, and counts what it was asked for', async () => {
    const rooms = new Map<string, unknown>();
    await using service = await startService({
      routes: {
        'PUT /rooms/:id': ({ params, body }) => {
          rooms.set(params['id'] ?? '', JSON.parse(body.toString('utf8')));
          return answer.status(204);
        },
        'GET /rooms/:id': ({ params, query }) => answer.json({ room: rooms.get(params['id'] ?? ''), unit: query.get('unit') }),
        'GET /files/*': ({ params }) => answer.file(fileContent('pdf', params['*'] ?? '', 100), 'application/pdf'),
      },
    });
    const put = await fetch(`${service.url}/rooms/a%20b`, { method: 'PUT', body: '{"celsius":21}' });
    assert.equal(put.status, 204);
    const got = await fetch(`${service.url}/rooms/a%20b?unit=C`);
    assert.deepEqual(await got.json(), { room: { celsius: 21 }, unit: 'C' });
    const file = await fetch(`${service.url}/files/2026/report.pdf`);
    assert.match(await file.text(), /^%PDF/);
    assert.deepEqual(await statuses(service.url, ['/rooms', '/rooms/a/b', '/nowhere']), [404, 404, 404]);
    assert.deepEqual([service.asked('/rooms/a%20b'), service.asked('GET /rooms/a%20b'), service.answered(404)], [2, 1, 3]);
  });

  it('sends slowly, and cuts off in the middle', async () => {
    const whole = answer.file(Buffer.alloc(1_000), 'text/plain');
    await using service = await startService({
      routes: { 'GET /slow': () => answer.slow(whole, { parts: 4, pause: 5 }), 'GET /cut': () => answer.cut(whole) },
    });
    const slow = await fetch(`${service.url}/slow`);
    assert.equal((await slow.arrayBuffer()).byteLength, 1_000);
    const cut = await fetch(`${service.url}/cut`);
    assert.equal(cut.headers.get('content-length'), '1000');
    await assert.rejects(cut.arrayBuffer());
  });

  it('answers 500 for a route that fails, and warns of it', async () => {
    const warned = new Promise<Error>((resolve) => process.once('warning', resolve));
    await using service = await startService({
      routes: {
        'GET /': () => {
          throw new RangeError('no such room');
        },
      },
    });
    assert.deepEqual(await statuses(service.url, ['/']), [500]);
    assert.match((await warned).message, /no such room/);
  });

  it('is down from when it is told to until it is told otherwise, or for so many requests', async () => {
    const outage = rules.outage();
    await using service = await startService({ rules: [outage], routes: fine });
    outage.begin({ status: 502, requests: 2 });
    assert.deepEqual(await statuses(service.url, times(3, '/a')), [502, 502, 200]);
    outage.begin({ retryAfter: 7 });
    assert.equal((await fetch(service.url)).headers.get('retry-after'), '7');
    outage.end();
    assert.deepEqual(await statuses(service.url, ['/a']), [200]);
  });

  it('fails in bursts, and for the same paths with the same seed', async () => {
    await using bursting = await startService({ rules: [rules.bursts({ every: 3, length: 2, status: 500 })], routes: fine });
    assert.deepEqual(await statuses(bursting.url, times(8, '/a')), [200, 200, 200, 500, 500, 200, 200, 200]);
    const paths = Array.from({ length: 60 }, (_, index) => `/${index}`);
    const flakyWith = async (seed: number): Promise<readonly number[]> => {
      await using service = await startService({ rules: [rules.flaky({ share: 0.3, seed })], routes: fine });
      const first = await statuses(service.url, paths);
      assert.ok(
        (await statuses(service.url, paths)).every((status) => status === 200),
        'each fails once',
      );
      return first;
    };
    const [one, again, other] = [await flakyWith(1), await flakyWith(1), await flakyWith(2)];
    const failed = one.filter((status) => status === 503).length;
    assert.ok(failed > 8 && failed < 30, `${failed} of 60 fail`);
    assert.deepEqual(again, one);
    assert.notDeepEqual(other, one);
  });

  it('limits its rate by the time that passes', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: 0 });
    await using service = await startService({ rules: [rules.rateLimit({ perSecond: 0.5, burst: 2 })], routes: fine });
    assert.deepEqual(await statuses(service.url, times(3, '/a')), [200, 200, 429]);
    assert.equal((await fetch(service.url)).headers.get('retry-after'), '2');
    t.mock.timers.tick(2_000);
    assert.deepEqual(await statuses(service.url, times(2, '/a')), [200, 429]);
  });

  it('takes tokens until they are revoked, and rules may be for some routes alone', async () => {
    const tokens = rules.accessTokens({ scheme: 'Basic', accepted: ['abc'] });
    await using service = await startService({ rules: [rules.on('GET /api/*', tokens)], routes: fine });
    const headers = { authorization: 'Basic abc' };
    assert.deepEqual(await statuses(service.url, ['/api/a', '/files/a']), [401, 200]);
    assert.deepEqual(await statuses(service.url, ['/api/a'], headers), [200]);
    tokens.revoke('abc');
    assert.deepEqual(await statuses(service.url, ['/api/a'], headers), [401]);
    tokens.accept('abc');
    assert.deepEqual(await statuses(service.url, ['/api/a'], headers), [200]);
  });

  it('signs links that end with the time that passes, and opens none that was changed', async (t) => {
    t.mock.timers.enable({ apis: ['Date'], now: Date.parse('2026-01-05T10:00:00Z') });
    const links = rules.signedLinks();
    await using service = await startService({ rules: [links], routes: fine });
    const link = links.sign(`${service.url}/media/1.pdf`, '1h');
    assert.match(link, /X-Amz-Date=20260105T100000Z&X-Amz-Expires=3600&X-Amz-Signature=[0-9a-f]{64}$/);
    const ask = async (url: string): Promise<number> => (await fetch(url)).status;
    assert.deepEqual(
      [await ask(link), await ask(link.replace('1.pdf', '2.pdf')), await ask(`${service.url}/media/1.pdf`)],
      [200, 403, 403],
    );
    assert.equal(await ask(link.replace('Expires=3600', 'Expires=9000')), 403);
    t.mock.timers.tick(3_600_000);
    assert.equal(await ask(link), 403);
  });

  it('gives each request numbers of its own, whatever else is asked', async () => {
    const numbers = async (paths: readonly string[]): Promise<ReadonlyMap<string, number>> => {
      const found = new Map<string, number>();
      await using service = await startService({
        seed: 5,
        latency: { least: 0, most: 3 },
        routes: {
          'GET /:name': ({ params, random }) => {
            found.set(params['name'] ?? '', random.next());
            return answer.status(204);
          },
        },
      });
      await Promise.all(paths.map((path) => fetch(`${service.url}/${path}`)));
      assert.ok(service.mostAtOnce >= 1);
      return found;
    };
    const [few, many] = [await numbers(['a', 'b']), await numbers(['c', 'b', 'd', 'a'])];
    assert.deepEqual([many.get('a'), many.get('b')], [few.get('a'), few.get('b')]);
    assert.notEqual(few.get('a'), few.get('b'));
    assert.notEqual(Random.from(1, 'a').next(), Random.from(2, 'a').next());
  });
});
