import { fileURLToPath } from 'node:url';
import { PermanentError } from '@pipeline-host/sdk';
import { openLocalStore } from './local-store.ts';
import type { ObjectStore } from './object-store.ts';

const SCHEME = /^([a-z][a-z0-9+.-]+):\/\//i;

/** Opens the store of a URI: `file:///data`, or a plain path. Any other scheme is `PH_STORAGE_SCHEME`. */
export function openStore(uri: string): ObjectStore {
  const scheme = SCHEME.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined) return openLocalStore(uri);
  if (scheme === 'file') return openLocalStore(localFolder(uri));
  throw new PermanentError('PH_STORAGE_SCHEME', `cannot open a store of scheme ${scheme}:// (${uri.slice(0, 200)})`, { place: scheme });
}

function localFolder(uri: string): string {
  try {
    return fileURLToPath(uri);
  } catch (error) {
    throw new PermanentError('PH_STORAGE_SCHEME', `${uri.slice(0, 200)} names no folder of this machine`, {
      hint: 'write file:///absolute/folder, with three slashes',
      cause: error,
    });
  }
}
