import assert from 'node:assert/strict';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { describe, test } from 'node:test';
import type { Api, ApiOptions } from '@pipeline-host/sdk';
import type { HttpOptions } from '../../../host/src/http/http-service.ts';
import { TestClock } from '../../../host/src/testing/test-clock.ts';
import { serve } from './attachment-server.ts';
import { openHttp } from './fixture.ts';

interface World extends AsyncDisposable {
  readonly api: Api;
  readonly asked: string[];
}

/** An API whose answers a test decides on, behind a client. */
async function openApi(
  answer: (request: IncomingMessage, response: ServerResponse, nth: number) => unknown,
  options: Partial<ApiOptions> = {},
  http: Partial<HttpOptions> = {},
): Promise<World> {
  const asked: string[] = [];
  const stack = new AsyncDisposableStack();
  const server = stack.use(
    await serve((request, response) => {
      asked.push(`${request.method} ${request.url}`);
      return answer(request, response, asked.length);
    }),
  );
  const fixture = stack.use(await openHttp(http));
  const api = fixture.http.api({ name: 'shop', baseUrl: server.url('/v1/rest'), privateRanges: ['127.0.0.1/32'], ...options });
  return { api, asked, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

const status =
  (code: number, headers: Record<string, string> = {}) =>
  (_: IncomingMessage, response: ServerResponse) =>
    response.writeHead(code, headers).end();

describe('an API', () => {
  test('is asked below its base URL, with its headers and those of the request', async () => {
    await using world = await openApi(
      (request, response) =>
        response.writeHead(204, { 'x-auth': request.headers.authorization, 'x-type': request.headers['content-type'] }).end(),
      { headers: { authorization: 'Basic abc', 'content-type': 'text/plain' } },
    );
    const answer = await world.api.request({
      path: '/things/7',
      query: { full: 'true', q: 'a b&c' },
      headers: { 'content-type': 'application/json' },
    });
    assert.equal(answer.status, 204);
    assert.deepEqual([answer.headers['x-auth'], answer.headers['x-type']], ['Basic abc', 'application/json']);
    assert.deepEqual(world.asked, ['GET /v1/rest/things/7?full=true&q=a+b%26c']);
  });

  test('is asked nothing outside of it', async () => {
    await using world = await openApi(status(200));
    for (const path of ['/../admin', '/a/../../..', 'x', '@elsewhere.test/', '/%2e%2e/%2e%2e/admin']) {
      await assert.rejects(world.api.request({ path }), { code: 'PH_HTTP_REQUEST_INVALID', kind: 'permanent' });
    }
    assert.deepEqual(world.asked, []);
  });

  test('whose address is no base URL is refused when the client is made', async () => {
    await using fixture = await openHttp();
    for (const baseUrl of ['shop', 'ftp://h/a', 'https://h/a/', 'https://h/a?b=1', 'https://h/a#b']) {
      assert.throws(() => fixture.http.api({ name: 'shop', baseUrl }), { code: 'PH_HTTP_REQUEST_INVALID' });
    }
  });

  test('that refuses our credentials is asked once', async () => {
    await using world = await openApi(status(401));
    await assert.rejects(world.api.request({ path: '/a' }), { code: 'PH_HTTP_UNAUTHORIZED', kind: 'auth' });
    assert.equal(world.asked.length, 1);
  });

  test('that refuses a request for good is asked once, and is alive', async () => {
    await using world = await openApi(status(404), { breaker: { failures: 1 } });
    for (let count = 0; count < 3; count++) {
      await assert.rejects(world.api.request({ path: '/a' }), { code: 'PH_HTTP_CLIENT_ERROR', kind: 'permanent', httpStatus: 404 });
    }
    assert.equal(world.asked.length, 3);
  });
});

describe('a request whose failure may pass', () => {
  test('is sent again, up to three times', async () => {
    await using world = await openApi((_, response, nth) => response.writeHead(nth < 3 ? 500 : 200).end('ok'));
    assert.equal(Buffer.from((await world.api.request({ path: '/a' })).body).toString(), 'ok');
    assert.equal(world.asked.length, 3);
  });

  test('is the own failure of a request that the API cannot answer', async () => {
    await using world = await openApi(status(500));
    await assert.rejects(world.api.request({ path: '/a' }), { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient', httpStatus: 500 });
    assert.equal(world.asked.length, 3);
  });

  test('is not sent again where it may have been carried out', async () => {
    await using world = await openApi(status(500));
    await assert.rejects(world.api.request({ path: '/a', method: 'POST', body: '{}' }), { kind: 'transient' });
    assert.equal(world.asked.length, 1);
    await assert.rejects(world.api.request({ path: '/a', method: 'POST', body: '{}', repeatable: true }), { kind: 'transient' });
    assert.equal(world.asked.length, 4);
  });
});

describe('an outage of the whole API', () => {
  for (const code of [502, 503, 504]) {
    test(`is what ${code} speaks of`, async () => {
      await using world = await openApi(status(code));
      await assert.rejects(world.api.request({ path: '/a' }), { code: 'PH_API_UNAVAILABLE', kind: 'unavailable' });
    });
  }

  test('is what a refused connection speaks of', async () => {
    await using fixture = await openHttp();
    const server = await serve(() => {});
    const url = server.url('');
    await server[Symbol.asyncDispose]();
    const api = fixture.http.api({ name: 'shop', baseUrl: url, privateRanges: ['127.0.0.1/32'] });
    await assert.rejects(api.request({ path: '/a' }), { code: 'PH_API_UNAVAILABLE', kind: 'unavailable' });
  });

  test('leaves it alone after five requests failed in a row, and lets two trials through before all others', async () => {
    using clock = new TestClock();
    let broken = true;
    const gate = Promise.withResolvers<void>();
    await using world = await openApi(
      async (_, response) => {
        if (!broken) await gate.promise;
        response.writeHead(broken ? 500 : 200).end();
      },
      { tries: 1, breaker: { openFor: 60_000 } },
      { clock },
    );
    let asked = 0;
    const ask = () => world.api.request({ path: `/${++asked}` });
    for (let failure = 1; failure < 5; failure++) await assert.rejects(ask(), { kind: 'transient' });
    // The fifth opens the breaker: its record is not to blame either.
    await assert.rejects(ask(), { code: 'PH_API_UNAVAILABLE', kind: 'unavailable' });
    clock.putForward(50_000);
    await assert.rejects(ask(), (error: { readonly retryAfter?: number }) => {
      assert.partialDeepStrictEqual({ ...error }, { code: 'PH_API_LEFT_ALONE', kind: 'unavailable' });
      assert.ok((error.retryAfter ?? 0) > 0 && (error.retryAfter ?? 0) <= 10_000, `retryAfter ${error.retryAfter}`);
      return true;
    });
    assert.equal(world.asked.length, 5, 'an open breaker lets nothing through');
    broken = false;
    clock.putForward(10_000);
    const answers = Promise.all(Array.from({ length: 10 }, ask));
    while (world.asked.length < 7) await new Promise(setImmediate);
    // All ten were asked for in one go, so a third would be on its way with the second.
    await new Promise((resolve) => setTimeout(resolve, 50));
    assert.equal(world.asked.length, 7, 'the others wait for the verdict of two trials');
    gate.resolve();
    await answers;
    assert.equal(world.asked.length, 15);
  });

  test('goes on where a trial fails', async () => {
    using clock = new TestClock();
    await using world = await openApi(status(500), { tries: 1, breaker: { openFor: 60_000 } }, { clock });
    let asked = 0;
    const ask = () => world.api.request({ path: `/${++asked}` });
    for (let failure = 1; failure <= 5; failure++) await assert.rejects(ask());
    clock.putForward(60_000);
    const results = await Promise.allSettled(Array.from({ length: 10 }, ask));
    assert.ok(results.every(({ status: as }) => as === 'rejected'));
    assert.ok(world.asked.length <= 7, `${world.asked.length - 5} trials`);
  });

  test('is not what a success between failures speaks of', async () => {
    await using world = await openApi((_, response, nth) => response.writeHead(nth % 5 === 0 ? 200 : 500).end(), { tries: 1 });
    for (let nth = 1; nth <= 12; nth++) {
      if (nth % 5 === 0) await world.api.request({ path: `/${nth}` });
      else await assert.rejects(world.api.request({ path: `/${nth}` }), { code: 'PH_HTTP_SERVER_ERROR' });
    }
  });

  test('is not what few requests speak of that always fail', async () => {
    await using world = await openApi((request, response) => response.writeHead(request.url?.includes('bad') === true ? 500 : 200).end());
    for (let again = 0; again < 5; again++) {
      for (const path of ['/bad/1', '/bad/2', '/bad/3', '/bad/4']) {
        await assert.rejects(world.api.request({ path }), { code: 'PH_HTTP_SERVER_ERROR', kind: 'transient' });
      }
    }
    await world.api.request({ path: '/good' });
    assert.equal(world.asked.length, 61);
  });

  test('is not what failures speak of that have other answers between them', async () => {
    await using world = await openApi((request, response) => response.writeHead(request.url?.includes('lost') === true ? 404 : 500).end(), {
      tries: 1,
    });
    for (let nth = 1; nth <= 12; nth++) {
      const path = nth % 4 === 0 ? `/lost/${nth}` : `/bad/${nth}`;
      await assert.rejects(world.api.request({ path }), { code: nth % 4 === 0 ? 'PH_HTTP_CLIENT_ERROR' : 'PH_HTTP_SERVER_ERROR' });
    }
  });

  test('is over in time though the wall clock is set back', async (t) => {
    using clock = new TestClock();
    let broken = true;
    await using world = await openApi(
      (_, response) => response.writeHead(broken ? 500 : 200).end(),
      { tries: 1, breaker: { openFor: 60_000 } },
      { clock },
    );
    for (let nth = 1; nth <= 5; nth++) await assert.rejects(world.api.request({ path: `/${nth}` }));
    broken = false;
    t.mock.method(Date, 'now', () => 0);
    await assert.rejects(world.api.request({ path: '/a' }), { code: 'PH_API_LEFT_ALONE' });
    clock.putForward(60_000);
    await world.api.request({ path: '/a' });
  });
});

describe('an API that names a time', () => {
  for (const code of [429, 503]) {
    test(`by a ${code} is asked by nobody before it, and fails nobody`, async () => {
      const times: number[] = [];
      const sentAway: ServerResponse[] = [];
      await using world = await openApi((_, response, nth) => {
        times.push(performance.now());
        if (nth > 2) return response.end();
        sentAway.push(response);
        return nth === 2 && sentAway.map((one) => one.writeHead(code, { 'retry-after': '1' }).end());
      });
      const first = world.api.request({ path: '/first' });
      // This one is not tried again: its failure says that the client has heard of the time.
      await assert.rejects(world.api.request({ path: '/second', repeatable: false }), { code: 'PH_API_THROTTLED' });
      await Promise.all([first, ...Array.from({ length: 5 }, () => world.api.request({ path: '/other' }))]);
      const [, named = 0, ...later] = times;
      assert.equal(later.length, 6);
      assert.ok(Math.min(...later) - named >= 990, `asked again after ${Math.min(...later) - named} ms`);
    });
  }

  test('that is far away pauses those who ask until then', async () => {
    await using world = await openApi(status(429, { 'retry-after': '3600' }));
    for (let count = 0; count < 2; count++) {
      await assert.rejects(world.api.request({ path: '/a' }), (error: { readonly retryAfter?: number }) => {
        assert.partialDeepStrictEqual({ ...error }, { code: 'PH_API_THROTTLED', kind: 'unavailable' });
        assert.ok((error.retryAfter ?? 0) > 3_500_000);
        return true;
      });
    }
    assert.equal(world.asked.length, 1);
  });

  test('that is far away is told to those who already wait, for a nearer time or for their turn', async () => {
    using clock = new TestClock();
    for (const options of [{ tries: 1 }, { tries: 1, ratePerSecond: 1 }]) {
      const arrived = Promise.withResolvers<void>();
      const far = Promise.withResolvers<void>();
      await using world = await openApi(
        (request, response) => {
          if (request.url?.endsWith('near') === true) return response.writeHead(429, { 'retry-after': '10' }).end();
          arrived.resolve();
          return far.promise.then(() => response.writeHead(429, { 'retry-after': '3600' }).end());
        },
        options,
        { clock },
      );
      const first = assert.rejects(world.api.request({ path: '/far' }), { code: 'PH_API_THROTTLED' });
      await arrived.promise;
      if (!('ratePerSecond' in options)) await assert.rejects(world.api.request({ path: '/near' }), { code: 'PH_API_THROTTLED' });
      const waiting = assert.rejects(world.api.request({ path: '/waits' }), { code: 'PH_API_THROTTLED', kind: 'unavailable' });
      far.resolve();
      await first;
      clock.putForward(11_000);
      await waiting;
    }
  });

  test('never opens the breaker', async () => {
    await using world = await openApi((_, response, nth) => response.writeHead(nth <= 3 ? 429 : 200, { 'retry-after': '0' }).end(), {
      breaker: { failures: 2 },
      tries: 4,
    });
    await world.api.request({ path: '/a' });
  });
});

test('no more requests are under way than the concurrency allows', async () => {
  let underWay = 0;
  let most = 0;
  await using world = await openApi(
    async (_, response) => {
      most = Math.max(most, ++underWay);
      await new Promise((resolve) => setTimeout(resolve, 20));
      underWay--;
      response.end();
    },
    { concurrency: 3 },
  );
  await Promise.all(Array.from({ length: 12 }, () => world.api.request({ path: '/a' })));
  assert.equal(most, 3);
});

test("no more requests are sent than the rate allows, after one second's worth at once", async () => {
  const times: number[] = [];
  await using world = await openApi(
    (_, response) => {
      times.push(performance.now());
      response.end();
    },
    { ratePerSecond: 10 },
  );
  await Promise.all(Array.from({ length: 14 }, () => world.api.request({ path: '/a' })));
  const [first = 0] = times;
  const last = times.at(-1) ?? 0;
  assert.ok(last - first >= 250, `14 requests in ${last - first} ms`);
});

test("a request that is given up ends with the caller's own reason, in the queue as well", async () => {
  await using world = await openApi(() => {}, { concurrency: 1 });
  const controller = new AbortController();
  const asked = [1, 2].map(() => world.api.request({ path: '/a', signal: controller.signal }));
  const ended = Promise.allSettled(asked);
  while (world.asked.length === 0) await new Promise(setImmediate);
  controller.abort(new Error('enough'));
  for (const result of await ended) {
    assert.equal(result.status, 'rejected');
    assert.partialDeepStrictEqual({ ...(result as PromiseRejectedResult).reason }, { code: 'PH_HTTP_ABORTED', kind: 'transient' });
  }
  await assert.rejects(world.api.request({ path: '/a', signal: controller.signal }), { code: 'PH_HTTP_ABORTED' });
});
