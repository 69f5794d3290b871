import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer, type Route, type SimulatedService, startService, testWorker } from '../../host/src/testing/index.ts';
import plugin, { downloadsCached } from '../../plugins/claimx/src/index.ts';
import { downloader } from '../../plugins/claimx/src/workers/downloader.ts';
import { PROJECT } from './samples.ts';
import { config } from './testing.ts';

const PATH = '/p/roof.jpg';
const picture = answer.file(Buffer.from('as good as a picture'), 'image/jpeg');
const task = {
  trace_id: 'cx-evt-1',
  media_id: '88231190',
  project_id: PROJECT,
  download_url: `https://media.example.test${PATH}`,
  blob_path: `${PROJECT}/media/roof.jpg`,
  file_type: 'jpg',
  file_name: 'roof.jpg',
};

async function download(storage: Pick<SimulatedService, 'url'>) {
  await using tested = testWorker(downloader, {
    plugin,
    config: { ...config, allowedHosts: ['media.example.test'] },
    standIns: { 'https://media.example.test': storage },
  });
  return await tested.handle(task);
}
const storageThat = (route: Route) => startService({ routes: { [`GET ${PATH}`]: route } });

describe('storage that is away', () => {
  for (const status of [502, 503, 504]) {
    it(`with ${status}, burns no attempt of a file`, async () => {
      await using storage = await storageThat(() => answer.status(status));
      const { outcome, code } = await download(storage);
      assert.deepEqual([outcome, code, storage.asked(PATH)], ['paused', 'CLAIMX_STORAGE_UNAVAILABLE', 2]);
    });
  }

  it('and takes no connections, burns none either', async () => {
    const storage = await storageThat(() => picture);
    const { url } = storage;
    await storage.close();
    const { outcome, code } = await download({ url });
    assert.deepEqual([outcome, code], ['paused', 'CLAIMX_STORAGE_UNAVAILABLE']);
  });

  it('is not asked at once again where it says when it wants to be', async () => {
    await using storage = await storageThat(() => answer.status(503, { headers: { 'retry-after': '60' } }));
    assert.deepEqual([(await download(storage)).outcome, storage.asked(PATH)], ['paused', 1]);
  });

  it('for a moment, holds up nothing', async () => {
    await using storage = await storageThat(({ nth }) => (nth === 1 ? answer.status(503) : picture));
    const { outcome, sentTo } = await download(storage);
    assert.deepEqual([outcome, sentTo(downloadsCached).length], ['done', 1]);
  });

  it('is another matter than a file that it fails on', async () => {
    await using storage = await storageThat(() => answer.status(500));
    assert.equal((await download(storage)).outcome, 'retried');
  });
});
