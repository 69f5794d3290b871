import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type Api, definePlugin, defineTopic, defineWorker, done, Id, output, Type } from '@pipeline-host/sdk';
import { answer, startService, startTestHost } from '../../host/src/testing/index.ts';

const question = defineTopic('questions', Type.Object({ id: Id() }), { key: ({ id }) => id });
const answered = defineTopic('answers', Type.Object({ id: Id() }), { key: ({ id }) => id });

const services = {
  oracle: ({ http }: { readonly http: { api(options: { readonly name: string; readonly baseUrl: string }): Api } }) =>
    http.api({ name: 'oracle', baseUrl: 'https://oracle.example' }),
};
const asker = defineWorker({
  consumes: question,
  produces: [answered],
  services,
  retry: { delays: ['1m', '2m'] },
  handle: async ({ id }, { services: { oracle }, signal }) => {
    await oracle.request({ path: `/answers/${id}`, signal });
    return done([output(answered, { id })]);
  },
});
const plugin = definePlugin({ name: 'delphi', topics: [question, answered], services, workers: { asker } });

for (const [status, bad] of [
  [500, 2],
  [500, 15],
  [503, 30],
] as const) {
  test(`${bad} records that are always answered with ${status} hold the others up for minutes, and die alone`, async () => {
    await using service = await startService({
      routes: { 'GET /answers/:id': ({ params }) => answer.status(String(params['id']).startsWith('bad') ? status : 204) },
    });
    await using host = await startTestHost({ plugins: [plugin], standIns: { 'https://oracle.example': service } });
    let sent = 0;
    const good = (count: number) => Array.from({ length: count }, () => ({ id: `good-${sent++}` }));
    await host.sendAll(question, good(10));
    await host.settled();
    await host.sendAll(question, Array.from({ length: bad }, (_, nth) => [{ id: `bad-${nth}` }, ...good(3)]).flat());
    for (let minutes = 10; (await host.deadLetters()).length < bad; minutes += 10) {
      assert.ok(minutes < 480, `${(await host.deadLetters()).length} are dead after ${minutes} minutes`);
      const before = sent;
      await host.sendAll(question, good(60));
      await host.advance('10m');
      const passed = (await host.messages(answered)).length;
      assert.ok(passed >= before, `${passed} of ${before} that came 10 minutes ago and before are done after ${minutes} minutes`);
    }
    const dead = (await host.deadLetters()).map(({ value }) => Buffer.from(value ?? '').toString());
    assert.ok(dead.every((value) => value.includes('bad-')));
    assert.equal(new Set(dead).size, bad);
    await host.settled();
    assert.equal((await host.messages(answered)).length, sent);
    assert.deepEqual(host.status().units[0]?.held, []);
  });
}
