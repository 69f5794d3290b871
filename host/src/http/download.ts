import { createHash } from 'node:crypto';
import type { Readable } from 'node:stream';
import {
  type DownloadRequest,
  isPipelineError,
  PermanentError,
  type PipelineError,
  type StagedFile,
  TransientError,
} from '@pipeline-host/sdk';
import type { StagingArea } from '../storage/staging.ts';
import type { StagingFile } from '../storage/staging-file.ts';
import { checkContent, checkContentType, checkExtension, SNIFF_BYTES } from './file-types.ts';
import { type Answer, discard, type GuardedClient } from './guarded-client.ts';
import { abortFailure, statusFailure, wireFailure } from './http-failure.ts';
import { Pace } from './pace.ts';
import { displayUrl } from './url-guard.ts';

const DEFAULTS = { maxBytes: 2 * 1024 ** 3, idleTimeout: 30_000, minimumRate: 1_024 } as const;

/** Bytes that are collected before they go to the disk in one call. */
const WRITE_BYTES = 256 * 1024;

/**
 * Fetches one file into the staging area with a single streaming GET. The body is stored as it comes, never decompressed.
 * When the promise resolves, the file is whole, hashed and fsynced; when it rejects, nothing of it is left.
 *
 * Only 200 is a success. A 401 or an expired signature concerns this one link: 401 is transient, 403 is permanent.
 *
 * @param rateWindow milliseconds over which `minimumRate` is measured
 */
export async function download(
  client: GuardedClient,
  staging: StagingArea,
  request: DownloadRequest,
  rateWindow: number,
): Promise<StagedFile> {
  const { url, fileName, policy, fileTypes, signal } = request;
  if (signal?.aborted) throw abortFailure(signal, displayUrl(url));
  if (fileTypes !== undefined) checkExtension(fileName, fileTypes);
  try {
    const answer = await client.send({ url, policy, signal });
    try {
      return await receive(answer, staging, request, rateWindow);
    } finally {
      answer.body.destroy();
    }
  } catch (error) {
    if (signal?.aborted) throw abortFailure(signal, displayUrl(url));
    throw error;
  }
}

async function receive(answer: Answer, staging: StagingArea, request: DownloadRequest, rateWindow: number): Promise<StagedFile> {
  const { fileName, fileTypes, maxBytes = DEFAULTS.maxBytes } = request;
  const { status, headers, body, place } = answer;
  if (status !== 200) {
    await discard(body);
    throw statusFailure(status, headers, place, 'link');
  }
  if (fileTypes !== undefined) checkContentType(fileName, headers['content-type'], fileTypes);
  const expected = contentLength(headers['content-length']);
  if (expected !== undefined && expected > maxBytes) throw tooLarge(place, maxBytes);

  // Made while the body comes.
  const creating = staging.createFile(fileName);
  creating.catch(() => {}); // seen by the next await of it
  try {
    const limits = {
      idleTimeout: request.idleTimeout ?? DEFAULTS.idleTimeout,
      minimumRate: request.minimumRate ?? DEFAULTS.minimumRate,
      rateWindow,
    };
    using pace = new Pace(limits, place, (failure) => body.destroy(failure));
    const { bytes, sha256, start } = await store(body, creating, pace, maxBytes, place);
    const file = await creating;
    if (bytes === 0) throw empty(place);
    if (fileTypes !== undefined) await checkContent(fileName, start, (position, length) => file.read(position, length), fileTypes);
    const { uri } = await file.finish();
    return { uri, bytes, sha256, contentType: headers['content-type'] ?? null, httpStatus: status };
  } catch (error) {
    const file = await creating.catch(() => null);
    await file?.discard();
    throw error;
  }
}

interface Stored {
  readonly bytes: number;
  readonly sha256: string;
  /** The first bytes, for the type check. */
  readonly start: Uint8Array;
}

/** Copies the body to the file, hashing it; one block is written while the next one comes. */
async function store(body: Readable, creating: Promise<StagingFile>, pace: Pace, maxBytes: number, place: string): Promise<Stored> {
  const hash = createHash('sha256');
  const start: Uint8Array[] = [];
  let startBytes = 0;
  let bytes = 0;
  let block: Uint8Array[] = [];
  let blockBytes = 0;
  let writing: Promise<void> | undefined;
  const chunks = (body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  try {
    for (;;) {
      const chunk = await nextChunk(chunks, pace, place);
      if (chunk === undefined) break;
      bytes += chunk.length;
      if (bytes > maxBytes) throw tooLarge(place, maxBytes);
      hash.update(chunk);
      if (startBytes < SNIFF_BYTES) {
        start.push(chunk.subarray(0, SNIFF_BYTES - startBytes));
        startBytes += chunk.length;
      }
      block.push(chunk);
      blockBytes += chunk.length;
      if (blockBytes < WRITE_BYTES) continue;
      await writing;
      writing = (await creating).write(block);
      writing.catch(() => {}); // seen by the next await of it
      block = [];
      blockBytes = 0;
    }
  } finally {
    await writing; // nothing may write on into a file that is being thrown away
  }
  if (block.length > 0) await (await creating).write(block);
  return { bytes, sha256: hash.digest('hex'), start: Buffer.concat(start) };
}

async function nextChunk(chunks: AsyncIterator<Uint8Array>, pace: Pace, place: string): Promise<Uint8Array | undefined> {
  pace.wait();
  try {
    const next = await chunks.next();
    pace.receive(next.done ? 0 : next.value.length);
    return next.done ? undefined : next.value;
  } catch (error) {
    throw brokenBody(error, place);
  }
}

/** A body that breaks off is transient, whatever it broke on; one that is shorter than its Content-Length is broken for undici too. */
function brokenBody(error: unknown, place: string): PipelineError {
  return isPipelineError(error) ? error : wireFailure(error, place, 'PH_DOWNLOAD_CUT');
}

function contentLength(header: string | undefined): number | undefined {
  return header !== undefined && /^\d+$/.test(header) ? Number(header) : undefined;
}

function tooLarge(place: string, maxBytes: number): PermanentError {
  return new PermanentError('PH_HTTP_TOO_LARGE', `${place} is larger than ${maxBytes} bytes`, { place });
}

function empty(place: string): TransientError {
  return new TransientError('PH_DOWNLOAD_EMPTY', `${place} sent no bytes`, { place });
}
