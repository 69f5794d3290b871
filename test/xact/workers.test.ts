import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import { type Failure, type MessageOf, type Outcome, PermanentError, type WorkerDefinition } from '@pipeline-host/sdk';
import { AttachmentServer, bodyOf } from '../../plugins/xact/simulation/attachment-server.ts';
import type { Attachment, Behaviour } from '../../plugins/xact/simulation/attachments.ts';
import { mediaIdOf } from '../../plugins/xact/src/ids.ts';
import { downloadsCached, downloadsPending, downloadsResults, eventsRaw } from '../../plugins/xact/src/index.ts';
import { downloader } from '../../plugins/xact/src/workers/downloader.ts';
import { ingester } from '../../plugins/xact/src/workers/ingester.ts';
import { uploader } from '../../plugins/xact/src/workers/uploader.ts';
import { decode, encode } from './messages.ts';
import { cachedDownload, downloadTask, eventMessages, MEDIA, rowWithObject, rowWithText, TRACE, URL_OF_REPORT } from './samples.ts';
import { openWorkerKit, type WorkerKit } from './worker-kit.ts';

let server: AttachmentServer;
let kit: WorkerKit;
before(async () => {
  server = await AttachmentServer.start();
  kit = await openWorkerKit({ allowedHosts: [server.host], schemes: ['http', 'https'], privateRanges: ['127.0.0.1/32'] });
});
after(async () => {
  await kit[Symbol.asyncDispose]();
  await server[Symbol.asyncDispose]();
});

const handle = async (worker: WorkerDefinition, message: unknown): Promise<Outcome> =>
  (await worker.handle?.(message, kit.contextOf())) ?? assert.fail('no handler');

const outputsOf = (outcome: Outcome) => (outcome.kind === 'done' ? outcome.outputs : assert.fail(`not done but ${outcome.kind}`));

/** A task for a file that the server holds. */
function taskFor(name: string, behaviour: Behaviour, overrides: Partial<Attachment> = {}): MessageOf<typeof downloadsPending> {
  const attachment: Attachment = {
    url: `http://${server.host}/${name}`,
    path: `/${name}`,
    behaviour,
    kind: 'pdf',
    size: 5_000,
    ...overrides,
  };
  server.hold(attachment);
  return decode(downloadsPending, {
    ...downloadTask,
    attachment_url: attachment.url,
    blob_path: `documentsReceived/04XQ7PK/${name}/04XQ7PK_${name}`,
  });
}

async function download(task: MessageOf<typeof downloadsPending>): Promise<MessageOf<typeof downloadsCached>> {
  const [output] = outputsOf(await handle(downloader, task));
  return decode(downloadsCached, encode(downloadsCached, output?.message as MessageOf<typeof downloadsCached>));
}

describe('the ingester', () => {
  it('sends one task for each usable attachment', async () => {
    const [output] = outputsOf(await handle(ingester, decode(eventsRaw, eventMessages[0])));
    assert.equal(output?.topic, 'downloads.pending');
    assert.deepEqual(output.headers, { trace_id: TRACE, media_id: MEDIA });
    assert.deepEqual(encode(downloadsPending, output.message as never), { ...downloadTask, original_timestamp: '2026-01-05T14:22:07Z' });

    const [task, ...more] = outputsOf(await handle(ingester, decode(eventsRaw, rowWithText))).map(
      (one) => one.message as MessageOf<typeof downloadsPending>,
    );
    assert.equal(more.length, 0);
    assert.equal(task?.media_id, mediaIdOf(rowWithText.traceId, task?.attachment_url ?? '', kit.contextOf().config));
    assert.equal(task?.blob_path, `estimatePackageReceived/04XQ7PK/${rowWithText.traceId}/04XQ7PK_3_package.esx`);
  });

  it('sends a task for what must not be fetched too, so that it ends as a result', async () => {
    const urls = [
      'http://169.254.169.254/secret',
      'no URL at all',
      `  ${URL_OF_REPORT} `,
      `https://h/${'x'.repeat(20_000)}.${'y'.repeat(3_000)}`,
    ];
    const outputs = outputsOf(
      await handle(ingester, decode(eventsRaw, { ...rowWithObject, data: { assignmentId: 4400212, attachments: [...urls, urls[0]] } })),
    );
    const tasks = outputs.map((output) => decode(downloadsPending, encode(downloadsPending, output.message as never)));
    assert.deepEqual(
      tasks.map((task) => task.attachment_url),
      urls.map((url) => url.trim()),
    );
    assert.ok(tasks.every((task) => task.assignment_id === '4400212'));
  });

  it('skips events without attachments or without an assignment, each with its reason', async () => {
    const reason = async (data: object) => {
      const outcome = await handle(ingester, decode(eventsRaw, { ...rowWithObject, data }));
      return outcome.kind === 'skip' ? outcome.reason : assert.fail(outcome.kind);
    };
    for (const attachments of [undefined, null, [], ['', null, ' '], 'https://h/a.pdf']) {
      assert.equal(await reason({ assignmentId: 'a', attachments }), 'no attachments');
    }
    for (const assignmentId of [undefined, null, ' ']) {
      assert.equal(await reason({ assignmentId, attachments: ['https://h/a.pdf'] }), 'attachments without an assignment id');
    }
  });
});

describe('the downloader', () => {
  it('stages the file and hands it on with its hash', async () => {
    const task = taskFor('fine.pdf', 'fine');
    const cached = await download(task);
    const body = bodyOf({ url: '', path: '/fine.pdf', behaviour: 'fine', kind: 'pdf', size: 5_000 });
    assert.equal(cached.sha256, createHash('sha256').update(body).digest('hex'));
    assert.equal(cached.bytes_downloaded, body.length);
    assert.equal(cached.destination_path, task.blob_path);
    assert.equal(cached.content_type, 'application/pdf');
    assert.equal(cached.http_status, 200);
    assert.ok(await kit.staging.has(cached.local_cache_path));
  });

  it('gives up an ended link without asking the server', async () => {
    const task = taskFor('ended.pdf', 'fine', { url: `http://${server.host}/ended.pdf?X-Amz-Date=20260105T142205Z&X-Amz-Expires=60` });
    const outcome = await handle(downloader, task);
    assert.equal(outcome.kind === 'dead' && outcome.code, 'XACT_URL_EXPIRED');
    assert.equal(server.asked('/ended.pdf'), 0);
  });

  it('fails for good or for now, as the server and the rules have it', async () => {
    const failure = async (name: string, behaviour: Behaviour, overrides: Partial<Attachment> = {}) => {
      const error = await handle(downloader, taskFor(name, behaviour, overrides)).then(
        () => assert.fail('no error'),
        (thrown: unknown) => thrown as PermanentError,
      );
      return `${error.code} ${error.kind}`;
    };
    assert.equal(await failure('missing.pdf', 'missing'), 'PH_HTTP_CLIENT_ERROR permanent');
    assert.equal(await failure('busy.pdf', 'busy-for-ever'), 'PH_HTTP_SERVER_ERROR transient');
    assert.equal(await failure('empty.pdf', 'empty'), 'PH_DOWNLOAD_EMPTY transient');
    assert.equal(await failure('cut.pdf', 'cut-once'), 'PH_DOWNLOAD_CUT transient');
    assert.equal(await failure('page.pdf', 'html-as-pdf'), 'PH_FILE_TYPE_MISMATCH permanent');
    assert.equal(await failure('program.pdf', 'program-as-pdf'), 'PH_FILE_TYPE_MISMATCH permanent');
    assert.equal(await failure('setup.exe', 'fine'), 'PH_FILE_TYPE_REFUSED permanent');
    assert.equal(await failure('host.pdf', 'fine', { url: 'https://files.example.com/host.pdf' }), 'PH_HTTP_URL_REFUSED permanent');
  });

  it('sends a failed_permanent result for what is given up', async () => {
    const task = decode(downloadsPending, { ...downloadTask, attachment_url: `${URL_OF_REPORT}&X-Amz-Signature=abc` });
    const resultOf = async (failure: Partial<Failure>, sentAt: string) => {
      const given: Failure = {
        code: 'PH_HTTP_CLIENT_ERROR',
        reason: `${task.attachment_url} answered 404`,
        attempts: 1,
        error: undefined,
        ...failure,
      };
      const [output] = (await downloader.onDead?.(task, given, kit.contextOf({ timestamp: Date.parse(sentAt) }))) ?? [];
      return decode(downloadsResults, encode(downloadsResults, output?.message as never));
    };
    const error = new PermanentError('PH_HTTP_CLIENT_ERROR', 'answered 404', { httpStatus: 404 });
    const { created_at, error_message, ...rest } = await resultOf({ error }, '2026-01-05T15:00:00Z');
    assert.ok(Date.parse(created_at) > 0);
    assert.equal(error_message, `PH_HTTP_CLIENT_ERROR: ${URL_OF_REPORT.split('?')[0]} answered 404`);
    assert.deepEqual(rest, {
      trace_id: TRACE,
      media_id: MEDIA,
      attachment_url: task.attachment_url,
      blob_path: downloadTask.blob_path,
      status_subtype: 'documentsReceived',
      file_type: 'PDF',
      assignment_id: '04XQ7PK',
      status: 'failed_permanent',
      http_status: 404,
      bytes_downloaded: 0,
      retry_count: 0,
      expires_at: '2026-01-06T14:22:05.000Z',
      expired_at_ingest: false,
    });
    assert.equal((await resultOf({}, '2026-01-07T00:00:00Z')).expired_at_ingest, true);
    // The copy that was retried is younger than the task.
    assert.equal((await resultOf({ attempts: 3 }, '2026-01-07T00:00:00Z')).expired_at_ingest, null);
    assert.equal((await resultOf({ reason: 'x'.repeat(2_000) }, '2026-01-05T15:00:00Z')).error_message?.length, 500);
  });
});

describe('the uploader', () => {
  const upload = async (cached: MessageOf<typeof downloadsCached>) => {
    const [output, ...more] = outputsOf(await handle(uploader, cached));
    assert.ok(output !== undefined && more.length === 0);
    return output;
  };
  const hashOf = async (path: string) => (await kit.contextOf().objects.stat(path))?.sha256;

  it('stores the file, releases it and reports it', async () => {
    const cached = await download(taskFor('up.pdf', 'fine'));
    const output = await upload(cached);
    const result = decode(downloadsResults, encode(downloadsResults, output.message as never));
    assert.equal(output.topic, 'downloads.results');
    assert.equal(result.status, 'completed');
    assert.equal(result.blob_path, cached.destination_path);
    assert.equal(result.bytes_downloaded, cached.bytes_downloaded);
    assert.equal(result.http_status, 200);
    assert.equal(await hashOf(result.blob_path), cached.sha256);
    assert.ok(kit.released.includes(cached.local_cache_path));
    assert.ok(await kit.staging.has(cached.local_cache_path), 'deleted before the commit');
  });

  it('finds its work done where the file is gone and the blob is there', async () => {
    const cached = await download(taskFor('again.pdf', 'fine'));
    const first = await upload(cached);
    await kit.staging.delete(cached.local_cache_path);
    const second = await upload(cached);
    assert.equal(second.topic, 'downloads.results');
    assert.deepEqual({ ...(second.message as object), created_at: '' }, { ...(first.message as object), created_at: '' });
  });

  it('sends the task again where the file is gone and nothing is stored', async () => {
    const task = taskFor('gone.pdf', 'fine');
    const cached = await download(task);
    await kit.staging.delete(cached.local_cache_path);
    const output = await upload(cached);
    assert.deepEqual([output.topic, output.redo], ['downloads.pending', true]);
    assert.deepEqual(encode(downloadsPending, output.message as never), encode(downloadsPending, task));
  });

  it('sends the task again for a file that an older sender keeps on its own disk', async () => {
    const output = await upload(decode(downloadsCached, cachedDownload));
    assert.deepEqual([output.topic, output.redo], ['downloads.pending', true]);
    assert.ok(!kit.released.includes(cachedDownload.local_cache_path));
  });

  it('puts the media id into the name where the path holds another file', async () => {
    const first = await download(taskFor('same.pdf', 'fine'));
    await upload(first);
    const other = { ...(await download(taskFor('other.pdf', 'fine'))), destination_path: first.destination_path, media_id: 'm-2' };
    const paths = [];
    for (let turn = 0; turn < 2; turn++) paths.push(((await upload(other)).message as MessageOf<typeof downloadsResults>).blob_path);
    const expected = first.destination_path.replace(/\.pdf$/, '_m-2.pdf');
    assert.deepEqual(paths, [expected, expected]);
    assert.equal(await hashOf(first.destination_path), first.sha256);
    assert.equal(await hashOf(expected), other.sha256);
    await kit.staging.delete(other.local_cache_path);
    assert.equal(((await upload(other)).message as MessageOf<typeof downloadsResults>).blob_path, expected);
  });

  it('keeps an attachment whose content is another one at each download', async () => {
    const first = await download(taskFor('changing.pdf', 'fine'));
    const paths = [((await upload(first)).message as MessageOf<typeof downloadsResults>).blob_path];
    const contents = [first.sha256];
    for (const name of ['other-a.pdf', 'other-b.pdf', 'other-c.pdf']) {
      const { destination_path, media_id } = first;
      const again = { ...(await download(taskFor(name, 'fine'))), destination_path, media_id };
      contents.push(again.sha256);
      paths.push(((await upload(again)).message as MessageOf<typeof downloadsResults>).blob_path);
      await kit.staging.delete(again.local_cache_path);
      assert.equal(((await upload(again)).message as MessageOf<typeof downloadsResults>).blob_path, paths.at(-1));
    }
    assert.equal(new Set(contents).size, 4);
    assert.equal(new Set(paths).size, 4);
    assert.deepEqual(await Promise.all(paths.map(hashOf)), contents);
  });

  it('stops at a file of another staging area', async () => {
    const cached = await download(taskFor('foreign.pdf', 'fine'));
    const foreign = {
      ...cached,
      local_cache_path: cached.local_cache_path.replace(kit.staging.id, '00000000-0000-4000-8000-000000000000'),
    };
    await assert.rejects(handle(uploader, foreign), { code: 'PH_STAGING_FOREIGN' });
  });

  it('sends a failed_permanent result for what is given up', async () => {
    const failure: Failure = { code: 'PH_OBJECT_PATH', reason: 'no such path', attempts: 5, error: undefined };
    const [output] = (await uploader.onDead?.(decode(downloadsCached, cachedDownload), failure, kit.contextOf())) ?? [];
    const result = decode(downloadsResults, encode(downloadsResults, output?.message as never));
    assert.deepEqual([result.status, result.blob_path, result.retry_count], ['failed_permanent', cachedDownload.destination_path, 4]);
  });
});
