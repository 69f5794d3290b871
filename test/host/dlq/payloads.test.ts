import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { PermanentError, UnavailableError } from '@pipeline-host/sdk';
import { listPayloads, readPayload, writePayload } from '../../../host/src/dlq/payloads.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { type ObjectStore, openStore } from '../../../host/src/storage/index.ts';

const log = createLogger({ level: 'silent' });
const payload = { key: Buffer.from('k'), value: Buffer.from([0, 0xff]), headers: { mine: Buffer.from('1') }, timestamp: 5 };
const { signal } = new AbortController();

function openFolder(t: TestContext): ObjectStore {
  const folder = mkdtempSync(join(tmpdir(), 'payloads-'));
  t.after(() => rmSync(folder, { recursive: true }));
  return openStore(folder);
}

/** A store whose next writes fail with the given errors. */
function failing(store: ObjectStore, errors: Error[]): ObjectStore {
  return {
    uri: store.uri,
    get: (path) => store.get(path),
    getRange: (path, offset, length) => store.getRange(path, offset, length),
    read: (path) => store.read(path),
    stat: (path) => store.stat(path),
    put: (path, body) => store.put(path, body),
    list: (folder) => store.list(folder),
    names: (folder) => store.names(folder),
    delete: (path) => store.delete(path),
    putIfAbsent: async (path, body) => {
      const error = errors.shift();
      if (error !== undefined) throw error;
      return store.putIfAbsent(path, body);
    },
  };
}

describe('a stored record', () => {
  it('comes back byte for byte, and is stored once however often it is written', async (t) => {
    const store = openFolder(t);
    const reference = await writePayload({ store, log, signal }, 'p.dlq', payload);
    assert.equal(await writePayload({ store, log, signal }, 'p.dlq', payload), reference);
    assert.deepEqual(
      (await store.list('')).map(({ path }) => path),
      [`.dead-letters/p.dlq/${reference}.batch`],
    );
    const { key, value, headers, timestamp } = await readPayload(store, 'p.dlq', reference);
    assert.deepEqual({ key, value, headers: { ...headers }, timestamp }, payload);
  });

  it('is young again when it is written again', async (t) => {
    const store = openFolder(t);
    const reference = await writePayload({ store, log, signal }, 'p.dlq', payload);
    const path = `.dead-letters/p.dlq/${reference}.batch`;
    await utimes(store.local?.path(path) ?? '', 1_000, 1_000);
    assert.deepEqual(await listPayloads(store, 'p.dlq'), [{ ...(await store.stat(path)), reference }]);
    assert.equal((await store.stat(path))?.modified, 1_000_000);
    await writePayload({ store, log, signal }, 'p.dlq', payload);
    assert.ok(((await store.stat(path))?.modified ?? 0) > 1_000_000);
    assert.deepEqual(await listPayloads(store, 'other.dlq'), []);
  });

  it('waits out a store that is away, and gives up what no waiting mends', async (t) => {
    const store = openFolder(t);
    const away = new UnavailableError('PH_STORAGE_FULL', 'no space');
    const reference = await writePayload({ store: failing(store, [away, away]), log, signal }, 'p.dlq', payload);
    assert.ok(await store.stat(`.dead-letters/p.dlq/${reference}.batch`));
    const never = failing(store, [new PermanentError('PH_STORAGE_PATH', 'no')]);
    await assert.rejects(writePayload({ store: never, log, signal }, 'p.dlq', payload), { code: 'PH_STORAGE_PATH' });
  });

  it('is waited for no longer than the host runs', async (t) => {
    const away = new UnavailableError('PH_STORAGE_FULL', 'no space');
    const stopping = new AbortController();
    const store = failing(
      openFolder(t),
      Array.from({ length: 1_000 }, () => away),
    );
    const writing = writePayload({ store, log, signal: stopping.signal }, 'p.dlq', payload);
    stopping.abort();
    await assert.rejects(writing, { code: 'PH_STORAGE_FULL' });
  });

  it('that is gone or was changed is refused', async (t) => {
    const store = openFolder(t);
    const reference = await writePayload({ store, log, signal }, 'p.dlq', payload);
    const path = `.dead-letters/p.dlq/${reference}.batch`;
    await store.put(path, Buffer.concat([(await store.get(path)) ?? Buffer.alloc(0), Buffer.from('!')]));
    await assert.rejects(readPayload(store, 'p.dlq', reference), { code: 'PH_DLQ_PAYLOAD_DAMAGED' });
    await store.delete(path);
    await assert.rejects(readPayload(store, 'p.dlq', reference), { code: 'PH_DLQ_PAYLOAD_MISSING' });
  });
});
