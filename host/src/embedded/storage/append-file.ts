import { closeSync, constants, fdatasync, fstatSync, ftruncateSync, openSync, readSync, writeSync } from 'node:fs';

/** Writes to a file descriptor; replaced in tests to play a full disk. */
export type WriteBytes = (fd: number, bytes: Buffer, offset: number, length: number, position: number) => number;

/** The disk refused bytes. The file is as it was before the append, unless it says that it could not be mended. */
export class StorageFailure extends Error {
  override readonly name = 'StorageFailure';
}

/**
 * A file that only grows. An append is whole or not there: after a failed write the file is cut back to its old length.
 * `flush` resolves when all bytes appended before the call are on disk; concurrent calls share one fdatasync (group commit).
 */
export class AppendFile {
  readonly path: string;
  readonly #write: WriteBytes;
  #fd: number | undefined;
  #size: number;
  #dirty = false;
  #broken: Error | undefined;
  #syncing: Promise<void> | undefined;
  #next: Promise<void> | undefined;

  constructor(path: string, write: WriteBytes = writeSync) {
    this.path = path;
    this.#write = write;
    this.#fd = openSync(path, constants.O_RDWR | constants.O_CREAT);
    this.#size = fstatSync(this.#fd).size;
  }

  get size(): number {
    return this.#size;
  }

  /** True while some appended bytes may not be on disk. */
  get pending(): boolean {
    return this.#dirty || this.#syncing !== undefined;
  }

  /** Throws {@link StorageFailure} with nothing written, for example when the disk is full. */
  append(bytes: Buffer): void {
    if (this.#broken) throw new StorageFailure(this.#broken.message, { cause: this.#broken });
    const fd = this.#open();
    try {
      for (let done = 0; done < bytes.length; ) done += this.#write(fd, bytes, done, bytes.length - done, this.#size + done);
    } catch (cause) {
      this.#cutBack(fd);
      throw new StorageFailure(`cannot write to ${this.path}`, { cause });
    }
    this.#size += bytes.length;
    this.#dirty = true;
  }

  /** Reads up to `length` bytes into `target` and returns how many there were. */
  read(target: Buffer, position: number, length: number): number {
    let done = 0;
    while (done < length) {
      const count = readSync(this.#open(), target, done, length - done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  truncate(size: number): void {
    ftruncateSync(this.#open(), size);
    this.#size = size;
    this.#dirty = true;
  }

  /** Rejects when the disk fails; the file then refuses all further appends, since what is on disk is no longer known. */
  flush(): Promise<void> {
    if (this.#broken) return Promise.reject(new StorageFailure(this.#broken.message, { cause: this.#broken }));
    if (!this.#dirty) return this.#syncing ?? Promise.resolve();
    if (!this.#syncing) return this.#startSync();
    this.#next ??= this.#syncing.then(() => {
      this.#next = undefined;
      return this.#startSync();
    });
    return this.#next;
  }

  /** Waits for a running flush, since the descriptor must not be reused under it. Does not flush by itself. */
  async close(): Promise<void> {
    await (this.#next ?? this.#syncing)?.catch(() => {});
    if (this.#fd === undefined) return;
    closeSync(this.#fd);
    this.#fd = undefined;
  }

  #open(): number {
    if (this.#fd === undefined) throw new StorageFailure(`${this.path} is closed`);
    return this.#fd;
  }

  #startSync(): Promise<void> {
    const fd = this.#open();
    this.#dirty = false;
    this.#syncing = new Promise<void>((resolve, reject) => {
      fdatasync(fd, (error) => {
        this.#syncing = undefined;
        if (!error) return resolve();
        this.#broken = error;
        reject(new StorageFailure(`cannot flush ${this.path}`, { cause: error }));
      });
    });
    return this.#syncing;
  }

  #cutBack(fd: number): void {
    try {
      ftruncateSync(fd, this.#size);
    } catch (error) {
      this.#broken = error instanceof Error ? error : new Error(String(error));
    }
  }
}
