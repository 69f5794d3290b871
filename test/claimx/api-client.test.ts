import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { created, rowsOf } from './enriching.ts';
import { mediaAnswer, PROJECT, projectAnswer, taskAnswer } from './samples.ts';
import { openWorkers, TOKEN } from './workers.ts';

const signal = new AbortController().signal;
const [media] = mediaAnswer;

describe('the ClaimX API', () => {
  it('is asked with the token as it is given, for JSON', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    await kit.services.api.project(PROJECT, signal);
    const { headers } = kit.api.asked[0] ?? assert.fail('nothing was asked');
    assert.deepEqual(
      [headers.authorization, headers.accept, headers['content-type']],
      [`Basic ${TOKEN}`, 'application/json', 'application/json'],
    );
  });

  it('answers for a project with and without the data wrapper, and with nulls wherever it likes', async () => {
    await using kit = await openWorkers();
    const { project: ask } = kit.services.api;
    for (const json of [projectAnswer, projectAnswer.data]) {
      kit.api.answer('GET /export/project', { json });
      assert.equal((await ask(PROJECT, signal)).project?.mfn, '04XQ7PK');
    }
    const { project } = projectAnswer.data;
    for (const json of [
      null,
      {},
      { data: null },
      { data: {} },
      { project: null, teamMembers: null },
      { project: { ...project, customerInformation: null, address: null }, teamMembers: [null, {}] },
      { project: { ...project, customerInformation: { emails: null, phones: null } } },
      { project: { ...project, customerInformation: { emails: [null, { emailAddress: null }], phones: [null] }, more: { a: 1 } } },
    ]) {
      kit.api.answer('GET /export/project', { json });
      await ask(PROJECT, signal);
    }
  });

  it('tells the address of a policyholder by the entry that is marked as primary, else by the first', async () => {
    await using kit = await openWorkers();
    const address = async (emails: unknown) => {
      const { data } = projectAnswer;
      const customerInformation = { ...data.project.customerInformation, emails };
      kit.api.answer('GET /export/project', { json: { data: { ...data, project: { ...data.project, customerInformation } } } });
      const rows = rowsOf((await kit.enrich([created]))[0]);
      const contact = rows.contacts.find(({ contact_type }) => contact_type === 'POLICYHOLDER');
      assert.equal(contact?.contact_email, rows.projects[0]?.primary_email ?? undefined);
      return rows.projects[0]?.primary_email;
    };
    const first = { emailAddress: 'first@example.test', primary: false };
    for (const primary of [true, 1, 'true', 'yes', 'false'])
      assert.equal(await address([first, { emailAddress: ' second@example.test ', primary }]), 'second@example.test', String(primary));
    for (const primary of [false, 0, '', null, undefined])
      assert.equal(await address([first, { emailAddress: 'second@example.test', primary }]), 'first@example.test', String(primary));
    assert.equal(await address([first, { emailAddress: ' ', primary: true }]), 'first@example.test', 'a blank one stands for none');
    const third = { emailAddress: 'third@example.test', primary: false };
    assert.equal(await address([{ emailAddress: '', primary: true }, third]), null, 'the first alone is fallen back to');
    assert.equal(await address([null, first]), 'first@example.test');
    for (const none of [null, [], undefined, [{ emailAddress: null, primary: true }]]) assert.equal(await address(none), null);
  });

  it('answers for media with a list or one object, in data, in media or in nothing', async () => {
    await using kit = await openWorkers();
    const ask = async (json: unknown) => {
      kit.api.answer('GET /export', { json });
      return (await kit.services.api.media(PROJECT, 'all', signal)).map(({ mediaID }) => mediaID);
    };
    for (const json of [[media], { data: [media] }, { media: [media] }, media, { data: media }, { media }, { data: null, media: [media] }])
      assert.deepEqual(await ask(json), [88231190], JSON.stringify(json));
    assert.deepEqual(await ask({ data: [media, null], media: [] }), [88231190]);
    for (const json of [[], { data: [] }, { data: null }, null]) assert.deepEqual(await ask(json), []);
  });

  it('answers for a task with an object, in data or not', async () => {
    await using kit = await openWorkers();
    for (const json of [taskAnswer, { data: taskAnswer }]) {
      kit.api.answer('GET /customTasks', { json });
      assert.equal((await kit.services.api.task('7741025', signal)).assignmentId, 7741025);
    }
    assert.equal(kit.api.lines()[0], 'GET /customTasks/assignment/7741025?full=true');
  });

  it('may answer with any 2xx, and with nothing', async () => {
    await using kit = await openWorkers();
    for (const status of [201, 204]) {
      kit.api.answer('GET /export', { status });
      assert.deepEqual(await kit.services.api.media(PROJECT, ['1'], signal), []);
    }
  });

  it('is asked again later where its answer is no JSON, or of another shape', async () => {
    await using kit = await openWorkers();
    for (const answer of [
      { text: '<html>', headers: { 'content-type': 'text/html' } },
      { text: '{"data":' },
      { json: [1] },
      { json: { project: 'none' } },
      { json: { project: { customerInformation: { emails: 'a@example.test' } } } },
    ]) {
      kit.api.answer('GET /export', answer);
      await assert.rejects(kit.services.api.project(PROJECT, signal), { code: 'CLAIMX_API_RESPONSE', kind: 'transient' });
    }
    kit.api.answer('GET /export', { json: projectAnswer, headers: { 'content-type': 'application/vnd.claimx+json; charset=utf-8' } });
    await kit.services.api.project(PROJECT, signal);
  });

  for (const [status, kind, code, headers] of [
    [401, 'auth', 'PH_HTTP_UNAUTHORIZED', {}],
    [403, 'permanent', 'PH_HTTP_CLIENT_ERROR', {}],
    [404, 'permanent', 'PH_HTTP_CLIENT_ERROR', {}],
    [418, 'permanent', 'PH_HTTP_CLIENT_ERROR', {}],
    [429, 'unavailable', 'PH_API_THROTTLED', { 'retry-after': '120' }],
    [500, 'transient', 'PH_HTTP_SERVER_ERROR', {}],
    [502, 'unavailable', 'PH_API_UNAVAILABLE', {}],
    [503, 'unavailable', 'PH_API_UNAVAILABLE', {}],
    [504, 'unavailable', 'PH_API_UNAVAILABLE', {}],
  ] as const) {
    it(`fails as ${kind} where it answers ${status}`, async () => {
      await using kit = await openWorkers();
      kit.api.answer('GET /export', { status, headers });
      await assert.rejects(kit.services.api.project(PROJECT, signal), (error: Error) => {
        assert.partialDeepStrictEqual({ ...error }, { kind, code });
        assert.ok(!`${error.message}${error.stack}`.includes(TOKEN), 'the token is in no error');
        return true;
      });
    });
  }
});
