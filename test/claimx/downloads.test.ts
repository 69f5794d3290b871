import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { PermanentError } from '@pipeline-host/sdk';
import { downloadsPending, downloadsResults } from '../../plugins/claimx/src/index.ts';
import { uploader } from '../../plugins/claimx/src/workers/uploader.ts';
import { apiCalls, cachedOf, download, FRESH, failure, JPEG, link, PICTURE, serveFresh, sha256 } from './downloading.ts';
import { mediaAnswer, PROJECT, TRACE } from './samples.ts';
import { openWorkers, sent } from './workers.ts';

describe('a media file', () => {
  it('is fetched, hashed and handed on', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const cached = await cachedOf(kit);
    assert.partialDeepStrictEqual(cached, {
      trace_id: TRACE,
      media_id: '88231190',
      destination_path: `${PROJECT}/media/roof.jpg`,
      bytes_downloaded: Buffer.byteLength(JPEG),
      sha256: sha256(JPEG),
      content_type: 'image/jpeg',
      refresh_count: 0,
    });
    assert.deepEqual(apiCalls(kit), []);
  });

  it('whose link has ended, or ends within a minute, is fetched with a fresh one; the old one is never tried', async () => {
    await using kit = await openWorkers();
    serveFresh(kit);
    for (const seconds of [-10, 50]) {
      const cached = await cachedOf(kit, { download_url: link(kit, '/p/roof.jpg', seconds), refresh_count: 1 });
      assert.equal(cached.refresh_count, 2);
      assert.match(cached.download_url, /fresh\.jpg/);
    }
    assert.ok(!kit.api.lines().some((line) => line.includes('roof.jpg')));
    assert.match(apiCalls(kit)[0] ?? '', /\/media\?mediaIds=88231190$/);
  });

  for (const status of [401, 403]) {
    it(`whose link storage refuses with ${status} is fetched with a fresh one`, async () => {
      await using kit = await openWorkers();
      serveFresh(kit);
      kit.api.answer('GET /p/roof.jpg', { status });
      assert.equal((await cachedOf(kit)).refresh_count, 1);
    });
  }

  it('that storage refuses whatever the link is asked for with two fresh ones and then once more, later', async () => {
    await using kit = await openWorkers();
    serveFresh(kit);
    kit.api.answer('GET /p/', { status: 403 });
    kit.api.answer(`GET ${FRESH}`, { status: 403 });
    assert.deepEqual(failure(await download(kit)), { code: 'CLAIMX_FILE_REFUSED', kind: 'transient', outcome: 'retried' });
    assert.equal(apiCalls(kit).length, 2);
    assert.deepEqual(failure(await download(kit, {}, { attempt: 2 })), {
      code: 'PH_HTTP_CLIENT_ERROR',
      kind: 'permanent',
      outcome: 'dead',
    });
  });

  it('that storage does not have yet is asked for once more, later', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/', { status: 404 });
    assert.equal(failure(await download(kit)).code, 'CLAIMX_FILE_REFUSED');
    assert.equal(failure(await download(kit, {}, { attempt: 2 })).kind, 'permanent');
    assert.deepEqual(apiCalls(kit), []);
  });

  it('that the API has no more is dead', async () => {
    await using kit = await openWorkers();
    const ended = { download_url: link(kit, '/p/roof.jpg', -10) };
    for (const answer of [{ status: 404 }, { json: [] }, { json: [{ ...mediaAnswer[0], mediaID: 1 }] }]) {
      kit.api.answer('GET /export/project', answer);
      assert.deepEqual(failure(await download(kit, ended)), { code: 'CLAIMX_MEDIA_MISSING', kind: 'permanent', outcome: 'dead' });
    }
    kit.api.answer('GET /export/project', { json: [{ ...mediaAnswer[0], fullDownloadLink: ' ' }] });
    assert.equal(failure(await download(kit, ended)).code, 'CLAIMX_LINK_MISSING');
  });

  it('waits, and is not to blame, while the API that gives fresh links is down or refuses our token', async () => {
    await using kit = await openWorkers();
    const ended = { download_url: link(kit, '/p/roof.jpg', -10) };
    kit.api.answer('GET /export/project', { status: 503 });
    assert.equal(failure(await download(kit, ended)).kind, 'unavailable');
    await using other = await openWorkers();
    other.api.answer('GET /export/project', { status: 401 });
    assert.equal(failure(await download(other, { download_url: link(other, '/p/roof.jpg', -10) })).kind, 'auth');
  });

  it('is stored, its result says where, and the staged file is released', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const cached = await cachedOf(kit);
    const [result] = sent(await kit.handle('uploader', cached), downloadsResults);
    assert.partialDeepStrictEqual(result, {
      status: 'completed',
      blob_path: `${PROJECT}/media/roof.jpg`,
      bytes_uploaded: Buffer.byteLength(JPEG),
      content_type: 'image/jpeg',
      downloaded_at: cached.downloaded_at,
    });
    assert.deepEqual(kit.tested.worker(uploader).released, [cached.local_cache_path]);
    assert.equal(await kit.stored(`${PROJECT}/media/roof.jpg`), sha256(JPEG));
  });

  it('that is staged no more is found stored, or fetched again', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const first = await cachedOf(kit);
    await kit.unstage(first.local_cache_path);
    const [again] = sent(await kit.handle('uploader', first), downloadsPending);
    assert.partialDeepStrictEqual(again, { media_id: '88231190', blob_path: first.destination_path, download_url: first.download_url });
    const second = await cachedOf(kit);
    await kit.handle('uploader', second);
    await kit.unstage(second.local_cache_path);
    assert.equal(sent(await kit.handle('uploader', second), downloadsResults)[0]?.status, 'completed');
  });

  it('of an older sender, which has no hash and lies on another disk, is fetched again', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const cached = { ...(await cachedOf(kit)), sha256: null, local_cache_path: '/var/cache/pipeline/claimx/1/roof.jpg' };
    assert.equal(sent(await kit.handle('uploader', cached), downloadsPending).length, 1);
    assert.deepEqual(kit.tested.worker(uploader).released, []);
  });

  it('that is given up has a result without a signature in its error', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /p/roof.jpg', PICTURE);
    const reason = `no room for ${link(kit)} ${'x'.repeat(600)}`;
    const error = new PermanentError('PH_STORAGE_FULL', reason);
    const { sentTo } = await kit.tested.worker(uploader).giveUp(await cachedOf(kit), error);
    const [result] = sentTo(downloadsResults);
    assert.equal(result?.status, 'failed_permanent');
    assert.equal(result?.error_message?.length, 500);
    assert.ok(!result?.error_message?.includes('s3cret'));
  });
});
