import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ApiOptions, definePlugin, defineTopic, defineWorker, done, Id, output, type ServiceContext, Type } from '@pipeline-host/sdk';
import { answer, rules, type ServiceFault, startService, startTestHost } from '../../../host/src/testing/index.ts';

const question = defineTopic('questions', Type.Object({ id: Id() }), { key: ({ id }) => id });
const answered = defineTopic('answers', Type.Object({ id: Id(), attempt: Type.Integer(), at: Type.Number() }), { key: ({ id }) => id });

/** A plugin that asks an API for each record, which is away when the test says so. */
async function openOracle(options: Partial<ApiOptions> = {}) {
  const services = {
    oracle: ({ http }: ServiceContext<unknown>) => http.api({ name: 'oracle', baseUrl: 'https://oracle.example', ...options }),
  };
  const asker = defineWorker({
    consumes: question,
    produces: [answered],
    services,
    handle: async ({ id }, { services: { oracle }, attempt }) => {
      await oracle.request({ path: `/answers/${id}` });
      return done([output(answered, { id, attempt, at: Date.now() })]);
    },
  });
  const plugin = definePlugin({ name: 'delphi', topics: [question, answered], services, workers: { asker } });
  const outage = rules.outage();
  await using stack = new AsyncDisposableStack();
  const service = stack.use(await startService({ rules: [outage], routes: { 'GET /answers/:id': () => answer.status(204) } }));
  const host = stack.use(await startTestHost({ plugins: [plugin], standIns: { 'https://oracle.example': service } }));
  const owned = stack.move();
  return {
    ...{ host, service, outage },
    ask: (count: number) =>
      host.sendAll(
        question,
        Array.from({ length: count }, (_, nth) => ({ id: String(nth) })),
      ),
    /** Milliseconds of the test's time from then until each answer. */
    waits: async (since: number) => (await host.messages(answered)).map(({ at }) => at - since).sort((a, b) => a - b),
    attempts: async () => (await host.messages(answered)).map(({ attempt }) => attempt),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

describe('time that a test host puts forward reaches what waits to be asked of an API:', () => {
  it('an hour of Retry-After, in which the API is left alone and no attempt is burned', async () => {
    await using world = await openOracle();
    const since = Date.now();
    world.outage.begin({ status: 429, retryAfter: 3_600 });
    await world.ask(1);
    await world.host.advance('59m');
    assert.equal(world.service.answered(429), 1);
    world.outage.end();
    assert.deepEqual(await world.attempts(), []);
    await world.host.settled();
    assert.deepEqual(await world.attempts(), [1]);
    const [wait = 0] = await world.waits(since);
    assert.ok(wait >= 3_600_000 && wait < 3_700_000, `answered after ${wait} ms`);
  });

  it('a Retry-After that a handler waits for itself', async () => {
    await using world = await openOracle();
    const since = Date.now();
    const fault: ServiceFault = { status: 429, retryAfter: 25 };
    world.outage.begin({ ...fault, requests: 1 });
    await world.ask(1);
    await world.host.advance('24s');
    assert.equal(world.service.asked('/answers/0'), 1);
    await world.host.advance('2s');
    assert.equal(world.service.asked('/answers/0'), 2);
    const [wait = 0] = await world.waits(since);
    assert.ok(wait >= 25_000 && wait <= 26_500, `answered after ${wait} ms`);
    assert.deepEqual(await world.attempts(), [1]);
  });

  it('the pause of an open breaker, and its trials', async () => {
    await using world = await openOracle({ tries: 1, breaker: { failures: 5, openFor: 600_000, trials: 2 } });
    const since = Date.now();
    world.outage.begin();
    await world.ask(5);
    await world.host.advance('1m');
    const asked = world.service.answered(503);
    assert.ok(asked >= 5, `${asked} requests`);
    world.outage.end();
    await world.host.advance('5m');
    assert.deepEqual(await world.attempts(), [], 'the breaker lets nothing through');
    await world.host.settled();
    assert.deepEqual(await world.attempts(), [1, 1, 1, 1, 1]);
    const [first = 0] = await world.waits(since);
    assert.ok(first >= 600_000 && first < 1_500_000, `answered after ${first} ms`);
    assert.equal(world.service.answered(503), asked);
  });

  it('the pauses between tries', async () => {
    await using world = await openOracle({ tries: 12, breaker: { failures: 50 } });
    world.outage.begin({ status: 500, requests: 11 });
    await world.ask(1);
    await world.host.settled();
    assert.equal(world.service.asked('/answers/0'), 12);
    assert.deepEqual(await world.attempts(), [1]);
  });

  it('tokens, of which there are so many a second', async () => {
    await using world = await openOracle({ ratePerSecond: 2, concurrency: 50 });
    const since = Date.now();
    await world.ask(42);
    await world.host.settled();
    const waits = await world.waits(since);
    assert.equal(waits.length, 42);
    // A second's worth is saved, and one more is there at once.
    assert.ok((waits.at(-1) ?? 0) >= 19_000, `the last after ${waits.at(-1)} ms`);
    assert.deepEqual(new Set(await world.attempts()), new Set([1]));
  });
});
