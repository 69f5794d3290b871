/** What was wrong in the systems before this one, by the numbers of its catalogue, and is right here. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { UnavailableError } from '@pipeline-host/sdk';
import { testWorker } from '../../host/src/testing/index.ts';
import { blobPathOf, withSuffix } from '../../plugins/claimx/src/blob-path.ts';
import plugin, { downloadsCached, downloadsPending, downloadsResults, ENTITY_TABLES } from '../../plugins/claimx/src/index.ts';
import { downloader } from '../../plugins/claimx/src/workers/downloader.ts';
import { entityWriter } from '../../plugins/claimx/src/writers/entity-writer.ts';
import { cachedOf, download, task as downloadTask, FRESH, failure, JPEG, link, PICTURE, serveFresh, sha256 } from './downloading.ts';
import { answerAll, created, failureOf, file, logOf, rowsOf, task, video } from './enriching.ts';
import { mediaAnswer, PROJECT, projectAnswer, TRACE, taskAnswer, videoAnswer } from './samples.ts';
import { configFor, openWorkers, sent } from './workers.ts';

const [medium] = mediaAnswer;
const { project, teamMembers } = projectAnswer.data;

describe('faults of the API and the handlers', () => {
  it('56: a fresh link is found under the name that the API gives it', async () => {
    await using kit = await openWorkers();
    serveFresh(kit);
    assert.match((await cachedOf(kit, { download_url: link(kit, '/p/roof.jpg', -1) })).download_url, /fresh/);
  });

  it('57: a link that has ended is never tried, one that is refused is replaced, and both are counted', async () => {
    await using kit = await openWorkers();
    serveFresh(kit);
    kit.api.answer('GET /p/roof.jpg', { status: 403 });
    assert.equal((await cachedOf(kit)).refresh_count, 1);
    assert.equal((await cachedOf(kit, { download_url: link(kit, '/p/ended.jpg', -1), refresh_count: 1 })).refresh_count, 2);
    assert.ok(!kit.api.lines().some((line) => line.includes('ended')));
  });

  it('58: an event whose question fails does not pass for a success', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /', { status: 500 });
    assert.equal(failureOf((await kit.enrich([created]))[0]).kind, 'transient');
  });

  it('59: files of several projects in one batch are asked for each in its own', async () => {
    await using kit = await openWorkers();
    for (const id of ['1', '2']) {
      kit.api.answer(`GET /export/project/${id}`, { json: { project: { projectId: id } } });
      kit.api.answer(`GET /export/project/${id}/media`, { json: [{ ...medium, mediaID: `7${id}` }] });
    }
    const outcomes = await kit.enrich(['1', '2'].map((id) => ({ ...file, project_id: id, media_id: `7${id}` })));
    assert.deepEqual(
      outcomes.map((outcome) => rowsOf(outcome).media.map(({ media_id, project_id }) => [media_id, project_id])),
      [[['71', '1']], [['72', '2']]],
    );
  });

  it('60: where the first event of a batch fails, the next one carries the rows of the project', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [, second] = await kit.enrich([{ ...file, media_id: '1' }, file]);
    assert.equal(rowsOf(second).projects.length, 1);
  });

  it('61: events about a project are told of it, however lately it was written', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    await kit.enrich([file]);
    kit.api.answer(`GET /export/project/${PROJECT}`, { json: { project: { ...project, status: 'Closed' } } });
    assert.equal(rowsOf((await kit.enrich([created]))[0]).projects[0]?.status, 'Closed');
  });

  it('62: the event that makes a project has its rows, with its own id, whatever came before it in the batch', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [, made] = await kit.enrich([file, { ...created, trace_id: 'made' }]);
    assert.deepEqual([rowsOf(made).projects[0]?.trace_id, rowsOf(made).contacts[0]?.trace_id], ['made', 'made']);
  });

  it('63: a row that knows a part of its project leaves the other columns out', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: { data: { teamMembers } } });
    const partial = await kit.enrich([{ event_type: 'PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL' }, { event_type: 'POLICYHOLDER_JOINED' }]);
    for (const outcome of partial) for (const row of rowsOf(outcome).projects) assert.ok(!('status' in row) && !('primary_email' in row));
  });

  it('64: nothing is computed that no table has', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    for (const outcome of await kit.enrich([created, file, task, video])) {
      const rows = rowsOf(outcome);
      for (const [list, { row }] of Object.entries(ENTITY_TABLES))
        for (const made of rows[list as keyof typeof ENTITY_TABLES])
          assert.deepEqual(
            Object.keys(made).filter((column) => !(column in row.properties)),
            [],
            list,
          );
    }
  });

  it('65: contacts and media have keys under which they are merged', () => {
    for (const list of ['contacts', 'media'] as const) assert.equal(ENTITY_TABLES[list].options.mode, 'merge');
  });

  it("66: of a report without this project's collaboration no row is made", async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const other = { ...videoAnswer.data[0], claimId: 999 };
    for (const json of [[other], other, { data: [other] }, { ...other, claimId: null }]) {
      kit.api.answer('POST /data', { json });
      assert.deepEqual(rowsOf((await kit.enrich([video]))[0]).video_collab, [], JSON.stringify(json));
    }
  });

  it('67: a report is asked for with its span of time', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    await kit.enrich([video]);
    const report = kit.api.asked.find(({ method }) => method === 'POST');
    assert.match(report?.body ?? '', /"startDate":"2025-10-07T.*"endDate":"2026-01-07T/);
  });

  it('68: a file without name or type is downloaded, under its id', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    kit.api.answer(`GET /export/project/${PROJECT}/media`, { json: [{ ...medium, mediaName: null, mediaType: null }] });
    const [download] = sent((await kit.enrich([file]))[0], downloadsPending);
    assert.partialDeepStrictEqual(download, { blob_path: `${PROJECT}/media/media_88231190`, file_name: null, file_type: null });
  });

  it('69: a project id that is no number is dead at once', async () => {
    await using kit = await openWorkers();
    for (const event of [created, file, video]) {
      const [outcome] = await kit.enrich([{ ...event, project_id: 'proj_7' }]);
      assert.partialDeepStrictEqual({ ...failureOf(outcome) }, { kind: 'permanent', code: 'CLAIMX_EVENT_INVALID' });
    }
    assert.deepEqual(kit.api.asked, []);
  });

  it('70: nulls anywhere in an answer are nulls in its row', async () => {
    await using kit = await openWorkers();
    for (const [json, contacts] of [
      [{ data: null }, 0],
      [{ project: { ...project, customerInformation: null, address: null }, teamMembers: null }, 0],
      [{ project: { ...project, customerInformation: { emails: null, phones: null } }, teamMembers: [null, { userName: null }] }, 0],
      [{ project: { ...project, customerInformation: { emails: [null, { emailAddress: 'a@b' }], phones: [null] } } }, 1],
    ] as const) {
      kit.api.answer('GET /export/project', { json });
      const rows = rowsOf((await kit.enrich([created]))[0]);
      assert.deepEqual([rows.projects[0]?.project_id, rows.contacts.length], [PROJECT, contacts]);
    }
  });

  it('71: a refused token pauses the worker and fails no event', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /', { status: 401 });
    for (const outcome of await kit.enrich([created, file])) assert.equal(failureOf(outcome).kind, 'auth');
  });

  it('72: the row of a link begins its count and says nothing of dates that others write', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [row] = rowsOf((await kit.enrich([task]))[0]).external_links;
    assert.ok(row !== undefined && !('created_date' in row) && !('last_accessed' in row));
    assert.partialDeepStrictEqual(ENTITY_TABLES.external_links.options, {
      columns: { accessed_count: 'preserve', created_date: 'preserve', last_accessed: 'preserve' },
    });
  });

  it('73: a template that is stored without a date, or comes without one, is written like others, and the task keeps its link to project and template', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const writer = kit.tested.worker(entityWriter);
    const write = async (name: string, modifiedDate: string | null) => {
      const customTask = { ...taskAnswer.customTask, name, modifiedDate };
      kit.api.answer('GET /customTasks/assignment/7741025?full=true', { json: { ...taskAnswer, customTask } });
      assert.equal((await writer.handle(rowsOf((await kit.enrich([task]))[0]))).outcome, 'done');
      const [template, ...more] = await writer.rows('claimx_task_templates');
      assert.deepEqual(more, []);
      return [template?.['name'], template?.['modified_date']];
    };
    const date = '2026-01-05T09:00:00+00:00';
    assert.deepEqual(await write('first', null), ['first', null]);
    assert.deepEqual(await write('dated', date), ['dated', date]);
    assert.equal((await write('undated', null))[0], 'undated');
    assert.partialDeepStrictEqual(await writer.rows('claimx_tasks'), [{ project_id: PROJECT, task_id: '3301' }]);
  });

  it('74: unknown types are counted one by one', async () => {
    await using kit = await openWorkers();
    await kit.enrich(['A', 'B', 'A'].map((event_type) => ({ event_type })));
    for (const [event_type, times] of Object.entries({ A: 2, B: 1 }))
      assert.equal(kit.tested.metrics.count('events_unknown', { event_type }), times);
  });

  it('75, 76: rows and downloads of an event are outputs of its record, which ends when all of them are acknowledged', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [outcome] = await kit.enrich([file]);
    assert.equal(outcome?.outcome, 'done');
    assert.deepEqual(
      outcome.outputs.map(({ topic }) => topic.name),
      ['entities.rows', 'downloads.pending'],
    );
    assert.equal((await kit.enrich([file], { acknowledged: false }))[0]?.outcome, 'unacknowledged');
  });

  it('77: an answer without content is one, and Retry-After is kept to', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /', { status: 204 });
    assert.equal(rowsOf((await kit.enrich([created]))[0]).projects.length, 1);
    let asked = 0;
    kit.api.answer('GET /', () => (asked++ === 0 ? { status: 429, headers: { 'retry-after': '1' } } : { json: projectAnswer }));
    assert.equal(logOf((await kit.enrich([created]))[0])?.status, 'success');
  });

  it('78: an API that fails again and again is left alone, and fails no event from then on', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /', { status: 500 });
    await kit.enrich(Array.from({ length: 6 }, (_, index) => ({ ...created, project_id: String(index + 1) })));
    const before = kit.api.asked.length;
    assert.equal(failureOf((await kit.enrich([created]))[0]).kind, 'unavailable');
    assert.equal(kit.api.asked.length, before);
  });
});

describe('faults of downloads and uploads', () => {
  it('79: two files of one name in a project are both kept, or have a folder each', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    kit.api.answer(`GET ${FRESH}`, { ...PICTURE, text: `${JPEG}, another` });
    const paths: (string | undefined)[] = [];
    for (const [media_id, path] of [
      ['1', '/p/roof.jpg'],
      ['2', FRESH],
    ] as const) {
      const cached = await cachedOf(kit, { media_id, download_url: link(kit, path) });
      paths.push(sent(await kit.handle('uploader', cached), downloadsResults)[0]?.blob_path);
    }
    assert.deepEqual(paths, [`${PROJECT}/media/roof.jpg`, `${PROJECT}/media/roof_2.jpg`]);
    assert.equal(await kit.stored(`${PROJECT}/media/roof.jpg`), sha256(JPEG));
    assert.equal(blobPathOf({ projectId: '7', mediaId: '1', fileName: 'a.jpg' }, 'collision-safe'), '7/media/1/a.jpg');
    assert.equal(blobPathOf({ projectId: '7', mediaId: '1', fileName: 'a.jpg' }, 'reference'), '7/media/a.jpg');
  });

  it('81: a file that the server has no type for is taken by its name', async () => {
    await using kit = await openWorkers();
    for (const type of ['application/octet-stream', 'binary/octet-stream']) {
      kit.api.answer('GET /p/sheet.xlsx', { text: 'cells', headers: { 'content-type': type } });
      assert.equal((await cachedOf(kit, { download_url: link(kit, '/p/sheet.xlsx') })).content_type, type);
    }
  });

  it('82, 83: a redirect to a host that is not allowed, and a link to a private address, are refused', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', { status: 302, headers: { location: 'http://elsewhere.test/roof.jpg' } });
    assert.equal(failure(await download(kit)).code, 'PH_HTTP_URL_REFUSED');
    await using strict = await openWorkers({ privateRanges: [] });
    assert.equal(failure(await download(strict)).code, 'PH_HTTP_ADDRESS_REFUSED');
    assert.deepEqual(strict.api.asked, []);
  });

  it('84: what storage does not have at first is asked for once more', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/', { status: 404 });
    assert.equal(failure(await download(kit)).kind, 'transient');
    assert.equal(failure(await download(kit, {}, { attempt: 2 })).kind, 'permanent');
  });

  it('85: a 408 is tried again, and a full disk pauses the worker and fails no file', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', { status: 408 });
    assert.equal(failure(await download(kit)).kind, 'transient');

    const noRoom = async () => {
      throw new UnavailableError('PH_STAGING_FULL', 'no space left');
    };
    const full: typeof downloader = {
      ...downloader,
      handle: (message, context) => {
        const http = { ...context.http, download: noRoom };
        const withoutRoom = new Proxy(context, { get: (all, name) => (name === 'http' ? http : (Reflect.get(all, name) as unknown)) });
        return downloader.handle?.(message, withoutRoom) ?? assert.fail('no handler');
      },
    };
    const fullPlugin = { ...plugin, workers: { ...plugin.workers, downloader: full } };
    await using tested = testWorker(full, { plugin: fullPlugin, config: configFor(kit.api.baseUrl) });
    const messages = ['1', '2', '3'].map((media_id) => downloadTask(kit, { media_id }));
    for (const { outcome, code } of await tested.handleBatch(messages)) assert.deepEqual([outcome, code], ['paused', 'PH_STAGING_FULL']);
  });

  it('86: a file that is empty, or breaks off, or falls silent in the middle is tried again, and nothing of it is handed on', async () => {
    await using kit = await openWorkers({ idleTimeout: '200ms' });
    for (const [code, answer] of [
      ['PH_DOWNLOAD_EMPTY', { text: '' }],
      ['PH_DOWNLOAD_CUT', { cut: true }],
      ['PH_DOWNLOAD_STALLED', { silent: 1_000 }],
    ] as const) {
      kit.api.answer('GET /p/roof.jpg', { ...PICTURE, ...answer });
      const handled = await download(kit);
      assert.deepEqual(failure(handled), { code, kind: 'transient', outcome: 'retried' });
      assert.deepEqual(handled.outputs, []);
    }
  });

  it('87: a dot in a folder of the link is no extension', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /v1.2/', PICTURE);
    await cachedOf(kit, { download_url: link(kit, '/v1.2/download') });
    assert.equal(
      failure(await download(kit, { download_url: link(kit, '/v1.2/download'), file_name: 'roof' })).code,
      'PH_FILE_TYPE_REFUSED',
    );
  });

  it('88: names are safe on every store', () => {
    const path = (fileName: string) => blobPathOf({ projectId: '7', mediaId: '1', fileName }, 'reference');
    assert.equal(path('../../etc/passwd'), '7/media/.._.._etc_passwd');
    assert.equal(path('..'), '7/media/_');
    assert.equal(path('a\\b\u0000c.jpg. '), '7/media/a_b_c.jpg');
    assert.ok(Buffer.byteLength(path(`${'ü'.repeat(300)}.jpg`).split('/')[2] ?? '') <= 255);
    assert.equal(path(' \t'), '7/media/media_1');
    assert.equal(withSuffix('7/media/a.tar.gz', '1'), '7/media/a.tar_1.gz');
    assert.equal(withSuffix('7/media/.hidden', '1'), '7/media/.hidden_1');
  });

  it('89, 90: an upload that is done again finds its file and says so; only what is given up has a failed result', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const cached = await cachedOf(kit);
    for (let count = 0; count < 2; count++)
      assert.equal(sent(await kit.handle('uploader', cached), downloadsResults)[0]?.status, 'completed');
    const other = { ...cached, destination_path: `${PROJECT}/media/other.jpg` };
    await kit.unstage(cached.local_cache_path);
    assert.deepEqual(sent(await kit.handle('uploader', other), downloadsResults), [], 'it is fetched again');
    const given = await kit.handle('uploader', { ...other, local_cache_path: 'file:///elsewhere/roof.jpg' });
    assert.equal(given.outcome, 'dead');
    assert.deepEqual(
      sent(given, downloadsResults).map(({ status }) => status),
      ['failed_permanent'],
    );
  });

  it('91: a file of another staging area is refused with the reason', async () => {
    await using kit = await openWorkers();
    await using other = await openWorkers();
    other.api.answer('GET /p/roof.jpg', PICTURE);
    assert.equal(failure(await kit.handle('uploader', await cachedOf(other))).code, 'PH_STAGING_FOREIGN');
  });

  it("93: two files of one event do not get in each other's way", async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/', PICTURE);
    const messages = ['1', '2'].map((media_id) => downloadTask(kit, { media_id }));
    const handled = await kit.tested.worker(downloader).handleBatch(messages);
    assert.deepEqual(
      handled.flatMap((one) => sent(one, downloadsCached)).map(({ media_id, trace_id }) => [media_id, trace_id]),
      [
        ['1', TRACE],
        ['2', TRACE],
      ],
    );
  });

  it('94: a file that broke off is fetched from its beginning, whatever lies there by then', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', { ...PICTURE, cut: true });
    await download(kit);
    const changed = `${JPEG}, another one`;
    kit.api.answer('GET /p/roof.jpg', { ...PICTURE, text: changed });
    assert.equal((await cachedOf(kit)).sha256, sha256(changed));
    assert.ok(kit.api.asked.every(({ headers }) => headers.range === undefined));
  });

  it('96: a link is asked once, by GET, which is what its signature covers', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    await cachedOf(kit);
    assert.deepEqual(
      kit.api.asked.map(({ method }) => method),
      ['GET'],
    );
  });
});
