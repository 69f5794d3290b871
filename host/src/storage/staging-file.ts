import { type FileHandle, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { stagingFailure } from './staging-failure.ts';

/** What the name of an unfinished file ends in, and of no other. */
export const PART = '.part';

/** A file being written. Nobody sees it before `finish()`. */
export interface StagingFile {
  /** Appends. @throws UnavailableError `PH_STAGING_FULL`, `PH_STAGING_DENIED`; TransientError `PH_STAGING_IO` */
  write(chunks: readonly Uint8Array[]): Promise<void>;
  /** Reads back what was written, fewer bytes at the end. */
  read(position: number, length: number): Promise<Uint8Array>;
  /** Syncs the content to the disk, then gives the file its name. A loss of power may take the name back, never the content behind it. */
  finish(): Promise<{ readonly uri: string }>;
  /** Throws it away. May be called at any time and again. */
  discard(): Promise<void>;
}

/**
 * Begins the file `path` in a folder of its own, which is made here.
 *
 * @param root the staging folder, which must be there: were it made anew, it would have another id
 * @throws UnavailableError `PH_STAGING_FULL`, `PH_STAGING_DENIED`, `PH_STAGING_LOST`
 */
export async function createStagingFile(path: string, uri: string, root: string): Promise<StagingFile> {
  try {
    await mkdir(dirname(path));
    return new LocalFile(await open(path + PART, 'wx+', 0o640), path, uri, root);
  } catch (error) {
    await rm(dirname(path), { recursive: true, force: true }).catch(() => {});
    throw stagingFailure(error, root);
  }
}

class LocalFile implements StagingFile {
  readonly #handle: FileHandle;
  readonly #path: string;
  readonly #root: string;
  readonly #uri: string;
  #position = 0;

  constructor(handle: FileHandle, path: string, uri: string, root: string) {
    this.#handle = handle;
    this.#path = path;
    this.#root = root;
    this.#uri = uri;
  }

  async write(chunks: readonly Uint8Array[]): Promise<void> {
    try {
      let rest = chunks;
      while (rest.length > 0) {
        const { bytesWritten } = await this.#handle.writev(rest, this.#position);
        this.#position += bytesWritten;
        rest = skip(rest, bytesWritten);
      }
    } catch (error) {
      throw stagingFailure(error, this.#root);
    }
  }

  async read(position: number, length: number): Promise<Uint8Array> {
    try {
      const { buffer, bytesRead } = await this.#handle.read(Buffer.alloc(length), 0, length, position);
      return buffer.subarray(0, bytesRead);
    } catch (error) {
      throw stagingFailure(error, this.#root);
    }
  }

  async finish(): Promise<{ readonly uri: string }> {
    try {
      await this.#handle.sync();
      await this.#handle.close();
      await rename(this.#path + PART, this.#path);
      return { uri: this.#uri };
    } catch (error) {
      throw stagingFailure(error, this.#root);
    }
  }

  async discard(): Promise<void> {
    // Best effort: the failure that led here must not be hidden by one of cleaning up, and sweep() finds what is left.
    await this.#handle.close().catch(() => {});
    await rm(dirname(this.#path), { recursive: true, force: true }).catch(() => {});
  }
}

/** What is left of the chunks after a short write. */
function skip(chunks: readonly Uint8Array[], bytes: number): readonly Uint8Array[] {
  let left = bytes;
  for (const [index, chunk] of chunks.entries()) {
    if (left < chunk.length) return left === 0 ? chunks.slice(index) : [chunk.subarray(left), ...chunks.slice(index + 1)];
    left -= chunk.length;
  }
  return [];
}
