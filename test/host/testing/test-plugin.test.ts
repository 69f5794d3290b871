import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import {
  column,
  definePlugin,
  defineServices,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  done,
  Id,
  output,
  Type,
} from '@pipeline-host/sdk';
import { answer, startService, testPlugin, testWorker } from '../../../host/src/testing/index.ts';

const Config = Type.Object({ site: Type.String({ default: 'https://photos.example' }) });
const photos = defineTopic('photos', Type.Object({ id: Id() }), { key: ({ id }) => id });
const fetched = defineTopic('fetched', Type.Object({ id: Id(), uri: Type.String(), bytes: Type.Integer(), sha256: Type.String() }), {
  key: ({ id }) => id,
});
const album = defineTable('album', Type.Object({ id: column.string() }), { mode: 'merge', key: ['id'] });
const services = defineServices(Config, { seen: () => new Set<string>() });

const fetcher = defineWorker({
  consumes: photos,
  produces: [fetched],
  config: Config,
  services,
  handle: async ({ id }, { http, config, services: { seen }, onAcknowledged }) => {
    const policy = { hosts: [new URL(config.site).host] };
    const { uri, bytes, sha256 } = await http.download({ url: `${config.site}/${id}`, fileName: `${id}.bin`, policy });
    onAcknowledged(() => seen.add(id));
    return done([output(fetched, { id, uri, bytes, sha256 })]);
  },
});
const keeper = defineWorker({
  consumes: fetched,
  produces: [],
  handle: async ({ id, ...file }, { objects }) => {
    await objects.put(id, file);
    return done();
  },
});
const writer = defineTableWriter({ consumes: photos, writes: [album], rows: ({ id }) => ({ album: [{ id }] }) });
const gallery = definePlugin({
  name: 'gallery',
  config: Config,
  topics: [photos, fetched],
  tables: [album],
  services,
  workers: { fetcher, keeper, writer },
});

async function openGallery() {
  await using stack = new AsyncDisposableStack();
  const photo = Buffer.from('a photo');
  const service = stack.use(await startService({ routes: { 'GET /:id': () => answer.file(photo, 'application/octet-stream') } }));
  const tested = stack.use(testPlugin(gallery, { standIns: { 'https://photos.example': service } }));
  const owned = stack.move();
  return { tested, photo, [Symbol.asyncDispose]: () => owned.disposeAsync() };
}

describe('testPlugin', () => {
  it('lets a worker find what another one stored', async () => {
    await using world = await openGallery();
    const { tested, photo } = world;
    const [file] = (await tested.worker(fetcher).handle({ id: 'p-1' })).sentTo(fetched);
    assert.equal((await tested.worker(keeper).handle(file)).outcome, 'done');
    const stored = await tested.worker(keeper).files();
    assert.deepEqual(
      stored.map(({ path, bytes }) => [path, bytes]),
      [['p-1', photo.length]],
    );
    assert.deepEqual(await tested.worker(fetcher).files(), stored);
    assert.equal(tested.worker(keeper), tested.worker(keeper));
  });

  it('has one set of services, which a test may ask itself', async () => {
    await using world = await openGallery();
    const { tested } = world;
    const { seen } = await tested.services(services);
    await tested.worker(fetcher).handle({ id: 'p-1' });
    assert.deepEqual([...seen], ['p-1']);
    await assert.rejects(tested.services(defineServices(Config, {})), /not the services of gallery/);
  });

  it('shows what a worker remembers of outputs that were never acknowledged', async () => {
    await using world = await openGallery();
    const { tested } = world;
    const { seen } = await tested.services(services);
    const { outcome, outputs } = await tested.worker(fetcher).handle({ id: 'p-1' }, { acknowledged: false });
    assert.deepEqual([outcome, outputs.length, [...seen]], ['unacknowledged', 1, []]);
  });

  it('refuses a worker that is none of the plugin', async () => {
    await using world = await openGallery();
    const other = defineWorker({ consumes: photos, produces: [], handle: () => done() });
    await assert.rejects(world.tested.worker(other).handle({ id: '1' }), { code: 'PH_WORKER_UNKNOWN' });
  });

  it('writes tables that are there already', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'ph-tables-'));
    try {
      for (const id of ['1', '2']) {
        await using tested = testWorker(writer, { plugin: gallery, tables: folder });
        await tested.handle({ id });
        assert.equal((await tested.rows()).length, Number(id));
      }
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });
});
