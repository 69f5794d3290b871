import { randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import type { ObjectStore } from '../../storage/index.ts';
import type { DeltaEngine } from './engine.ts';

/** Runs `use` with files of this machine that hold the objects: the store's own files, or copies that are deleted afterwards. */
export async function withLocalFiles<T>(
  engine: DeltaEngine,
  store: ObjectStore,
  paths: readonly string[],
  use: (files: readonly string[]) => Promise<T>,
): Promise<T> {
  const local = store.local;
  if (local !== undefined) return await use(paths.map((path) => local.path(path)));
  return await engine.scratch.withFolder(async (folder) => {
    const files: string[] = [];
    for (const path of paths) {
      const file = join(folder, randomUUID());
      await pipeline(await store.read(path), createWriteStream(file));
      files.push(file);
    }
    return await use(files);
  });
}
