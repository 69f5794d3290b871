import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import type { Readable } from 'node:stream';
import { type Objects, PermanentError, type PutResult, TransientError } from '@pipeline-host/sdk';
import type { ObjectStore } from './object-store.ts';
import type { StagingArea } from './staging.ts';
import { errorCode, stagingFailure } from './staging-failure.ts';

/** Length and hash of some bytes. */
interface Digest {
  readonly bytes: number;
  readonly sha256: string;
}

/**
 * A plugin's part of an object store: everything below `prefix` (`''` for the whole store), never replaced once written.
 *
 * The bytes of the staged file are hashed before they are stored, so that what was damaged in staging is not passed on;
 * and of writers that race for one path exactly one stores, the others find its content and compare.
 */
export function createObjects(store: ObjectStore, prefix: string, staging: StagingArea): Objects {
  const absolute = (path: string): string => (prefix === '' ? objectPath(path) : `${objectPath(prefix)}/${objectPath(path)}`);

  async function digest(path: string): Promise<Digest | null> {
    const found = await store.stat(path);
    return found === null ? null : digestOf(await store.read(path));
  }

  return {
    async stat(path) {
      return digest(absolute(path));
    },

    async put(path, file) {
      const target = absolute(path);
      const source = staging.localPath(file.uri);
      await checkStaged(source, file, staging.root);
      // Look first: an object that is there is the rule after a redelivery, and costs no copy then.
      if ((await store.stat(target)) === null && (await store.putIfAbsent(target, { file: source })) === 'created')
        return { path, result: 'stored' };
      return compare(store, path, target, file);
    },
  };
}

async function compare(store: ObjectStore, path: string, target: string, file: Digest): Promise<PutResult> {
  const found = await store.stat(target);
  if (found === null) throw new TransientError('PH_OBJECT_VANISHED', `object ${path} was there and is gone`, { place: target });
  const same = found.bytes === file.bytes && (await digestOf(await store.read(target))).sha256 === file.sha256;
  if (same) return { path, result: 'already-there' };
  throw new PermanentError('PH_OBJECT_OCCUPIED', `object ${path} holds other content (${found.bytes} bytes, not ${file.bytes})`, {
    place: target,
  });
}

async function checkStaged(source: string, file: Digest & { readonly uri: string }, root: string): Promise<void> {
  let staged: Digest;
  try {
    staged = await digestOf(createReadStream(source, { highWaterMark: 256 * 1024 }));
  } catch (error) {
    if (errorCode(error) === 'ENOENT') throw new TransientError('PH_STAGING_MISSING', `${file.uri} is gone`, { place: root });
    throw stagingFailure(error, root);
  }
  if (staged.bytes === file.bytes && staged.sha256 === file.sha256) return;
  throw new PermanentError('PH_STAGING_CHANGED', `${file.uri} has ${staged.bytes} bytes with another hash than was said`, { place: root });
}

async function digestOf(stream: Readable): Promise<Digest> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of stream as AsyncIterable<Uint8Array>) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}

/** @throws PermanentError `PH_OBJECT_PATH` for a path that is not relative and plain */
function objectPath(path: string): string {
  const plain = path.split('/').every((segment) => segment !== '' && segment !== '.' && segment !== '..' && !/[\\\p{Cc}]/u.test(segment));
  if (plain) return path;
  throw new PermanentError('PH_OBJECT_PATH', `${JSON.stringify(path.slice(0, 300))} is not an object path`);
}
