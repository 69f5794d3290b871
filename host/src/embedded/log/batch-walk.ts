import type { AppendFile } from '../storage/append-file.ts';
import { BATCH_HEADER_SIZE, type BatchHeader, batchSize, isIntact, readBatchHeader } from './record-batch.ts';

export interface WalkedBatch {
  readonly header: BatchHeader;
  readonly position: number;
  /** False only when checksums are verified and this one is wrong. */
  readonly intact: boolean;
}

const HEADER_WINDOW = 16 << 10;
const VERIFY_WINDOW = 1 << 20;

/**
 * Goes through the batches of a segment file from `position` on. It ends at the end of the file or where the bytes cannot be a
 * batch (a torn tail). With `verify` each batch is read whole and its checksum compared.
 */
export function* walkBatches(file: AppendFile, position: number, verify: boolean): Generator<WalkedBatch, void, undefined> {
  const window = new FileWindow(file, verify ? VERIFY_WINDOW : HEADER_WINDOW);
  for (let at = position; at + BATCH_HEADER_SIZE <= file.size; ) {
    const head = window.bytesAt(at, BATCH_HEADER_SIZE);
    const size = batchSize(head, 0);
    if (size === undefined || at + size > file.size) return;
    const header = readBatchHeader(head, 0);
    yield { header, position: at, intact: !verify || isIntact(window.bytesAt(at, size), 0, size) };
    at += size;
  }
}

class FileWindow {
  readonly #file: AppendFile;
  readonly #size: number;
  #buffer = Buffer.alloc(0);
  #start = 0;

  constructor(file: AppendFile, size: number) {
    this.#file = file;
    this.#size = size;
  }

  bytesAt(position: number, length: number): Buffer {
    const from = position - this.#start;
    if (from >= 0 && from + length <= this.#buffer.length) return this.#buffer.subarray(from, from + length);
    const wanted = Math.min(Math.max(length, this.#size), this.#file.size - position);
    this.#buffer = Buffer.allocUnsafe(wanted);
    this.#file.read(this.#buffer, position, wanted);
    this.#start = position;
    return this.#buffer.subarray(0, length);
  }
}
