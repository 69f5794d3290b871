import { randomUUID } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, open, readdir, rm, rmdir, stat, unlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { PermanentError, PipelineError, type Staging, sanitizeSegment, TransientError } from '@pipeline-host/sdk';
import { areaId } from './staging-area-id.ts';
import { errorCode, stagingFailure } from './staging-failure.ts';
import { createStagingFile, PART, type StagingFile } from './staging-file.ts';

export interface Sweep {
  /** Milliseconds since the last write of an unfinished file; its writer is gone. */
  readonly unfinishedOlderThan: number;
  /** Milliseconds since a finished file was written. Default: finished files stay, since someone may still wait for them. */
  readonly finishedOlderThan?: number;
}

/**
 * A folder in which files wait between two workers, possibly of several processes. Each file lies in a folder of its own,
 * `<root>/<uuid>/<name>`, and its URI is `staging://<area id>/<uuid>/<name>`, so that a file of another area is recognised.
 */
export interface StagingArea {
  readonly id: string;
  readonly root: string;
  createFile(name: string): Promise<StagingFile>;
  /** @throws PermanentError `PH_STAGING_FOREIGN`, `PH_STAGING_URI` — so do all that take a URI */
  has(uri: string): Promise<boolean>;
  /** @throws TransientError `PH_STAGING_MISSING` */
  open(uri: string): Promise<Readable>;
  localPath(uri: string): string;
  /** Deletes a file and its folder; one that is gone is fine. */
  delete(uri: string): Promise<void>;
  /** Deletes what was left behind; gives the number of files deleted. */
  sweep(sweep: Sweep): Promise<number>;
  /** The service of one record's handler. `release()` checks the URI and hands it to `onRelease`, which deletes it after the commit. */
  forRecord(onRelease: (uri: string) => void): Staging;
}

/** Leaves room for `.part`. */
const NAME_BYTES = 250;
const UUID = '[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}';
const FILE_URI = new RegExp(`^staging://(${UUID})/(${UUID})/([^/?#]+)$`);
const FOLDER = new RegExp(`^${UUID}$`);

/**
 * Opens a staging area, making folder and id where there are none.
 *
 * @param location a path or a `file://` URI of a local folder
 * @throws PipelineError `PH_STAGING_LOCATION`, `PH_STAGING_AREA`; UnavailableError where the folder cannot be made
 */
export async function openStaging(location: string): Promise<StagingArea> {
  const root = localFolder(location);
  try {
    await mkdir(root, { recursive: true });
    return new LocalStaging(root, await areaId(root));
  } catch (error) {
    throw stagingFailure(error, root);
  }
}

function localFolder(location: string): string {
  if (location.startsWith('file:')) {
    try {
      return fileURLToPath(location);
    } catch (error) {
      throw new PipelineError('PH_STAGING_LOCATION', `"${location}" is not a local folder`, { cause: error });
    }
  }
  if (location === '' || /^[a-z][a-z0-9+.-]+:/i.test(location))
    throw new PipelineError('PH_STAGING_LOCATION', `"${location}" is not a local folder`);
  return resolve(location);
}

class LocalStaging implements StagingArea {
  readonly id: string;
  readonly root: string;

  constructor(root: string, id: string) {
    this.root = root;
    this.id = id;
  }

  createFile(name: string): Promise<StagingFile> {
    const folder = randomUUID();
    const staged = stagedName(name);
    const uri = `staging://${this.id}/${folder}/${encodeURIComponent(staged)}`;
    return createStagingFile(join(this.root, folder, staged), uri, this.root);
  }

  async has(uri: string): Promise<boolean> {
    const path = this.localPath(uri);
    try {
      return (await stat(path)).isFile();
    } catch (error) {
      if (errorCode(error) === 'ENOENT') return false;
      throw stagingFailure(error, this.root);
    }
  }

  async open(uri: string): Promise<Readable> {
    const path = this.localPath(uri);
    try {
      return createReadStream(path, { fd: await open(path, 'r'), highWaterMark: 256 * 1024 });
    } catch (error) {
      if (errorCode(error) === 'ENOENT') throw new TransientError('PH_STAGING_MISSING', `${uri} is gone`, { place: this.root });
      throw stagingFailure(error, this.root);
    }
  }

  localPath(uri: string): string {
    const [, area, folder, encoded] = FILE_URI.exec(uri) ?? [];
    const name = encoded === undefined ? undefined : decode(encoded);
    if (folder === undefined || name === undefined || stagedName(name) !== name) {
      throw new PermanentError('PH_STAGING_URI', `${JSON.stringify(uri.slice(0, 300))} is not the URI of a staged file`);
    }
    if (area !== this.id) {
      throw new PermanentError(
        'PH_STAGING_FOREIGN',
        `${uri} lies in staging area ${area}, and this worker uses ${this.id} (${this.root})`,
        { place: this.root },
      );
    }
    return join(this.root, folder, name);
  }

  async delete(uri: string): Promise<void> {
    const path = this.localPath(uri);
    try {
      await removeFile(path);
      await removeIfEmpty(dirname(path));
    } catch (error) {
      throw stagingFailure(error, this.root);
    }
  }

  async sweep({ unfinishedOlderThan, finishedOlderThan = Number.POSITIVE_INFINITY }: Sweep): Promise<number> {
    const now = Date.now();
    let deleted = 0;
    try {
      for (const folder of await readdir(this.root)) {
        if (!FOLDER.test(folder)) continue;
        const path = join(this.root, folder);
        const names = await readdir(path).catch(() => []);
        for (const name of names) {
          const age = now - ((await stat(join(path, name)).catch(() => null))?.mtimeMs ?? now);
          if (age < (name.endsWith(PART) ? unfinishedOlderThan : finishedOlderThan)) continue;
          await rm(join(path, name), { force: true });
          deleted++;
        }
        const idle = now - ((await stat(path).catch(() => null))?.mtimeMs ?? now);
        if (names.length > 0 || idle >= unfinishedOlderThan) await removeIfEmpty(path);
      }
    } catch (error) {
      throw stagingFailure(error, this.root);
    }
    return deleted;
  }

  forRecord(onRelease: (uri: string) => void): Staging {
    return {
      has: (uri) => this.has(uri),
      open: (uri) => this.open(uri),
      release: (uri) => {
        this.localPath(uri);
        onRelease(uri);
      },
    };
  }
}

/** The name as it stands on the disk. */
function stagedName(name: string): string {
  const safe = sanitizeSegment(name, NAME_BYTES);
  return safe.endsWith(PART) ? `${safe.slice(0, -1)}_` : safe; // only unfinished files end so
}

function decode(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

/** Unlike `rm()`, it does not look at the file first, which Node does synchronously. */
async function removeFile(path: string): Promise<void> {
  try {
    await unlink(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
  }
}

async function removeIfEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!['ENOENT', 'ENOTEMPTY', 'EEXIST'].includes(errorCode(error))) throw error;
  }
}
