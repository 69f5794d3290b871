import type { PipelineError } from '@pipeline-host/sdk';
import type { OutgoingRecord } from '../driver.ts';
import { WireMessage } from './produce-encoder.ts';

/** A request takes at most this many records; more only make the pauses of the event loop longer. */
const MOST_RECORDS = 2_000;
/** From this many waiting records on a request is worth sending at once. */
const ENOUGH_RECORDS = 500;
/** Taken records are cut off the front once there are so many. */
const COMPACT_FROM = 10_000;

/** A record and whom to tell when it is acknowledged. */
export interface Waiting {
  readonly message: WireMessage;
  readonly topic: string;
  readonly bytes: number;
  /** Epoch milliseconds after which it is given up. */
  readonly deadline: number;
  readonly resolve: () => void;
  readonly reject: (error: PipelineError) => void;
}

const sizeOf = (part: Buffer | string | null | undefined): number => {
  if (part === null || part === undefined) return 0;
  return typeof part === 'string' ? Buffer.byteLength(part) : part.length;
};

/** About what the record takes in a request. */
function bytesOf({ key, value, headers }: OutgoingRecord): number {
  let bytes = 24 + sizeOf(key) + sizeOf(value);
  for (const name in headers) {
    const header = headers[name];
    if (Array.isArray(header)) for (const one of header) bytes += name.length + 4 + sizeOf(one);
    else bytes += name.length + 4 + sizeOf(header as Buffer | string);
  }
  return bytes;
}

export function waitingRecord(
  record: OutgoingRecord,
  timeout: number,
  resolve: () => void,
  reject: (error: PipelineError) => void,
): Waiting {
  const now = Date.now();
  return { message: new WireMessage(record, now), topic: record.topic, bytes: bytesOf(record), deadline: now + timeout, resolve, reject };
}

/** Records in the order they were given, taken a request at a time. */
export class SendQueue {
  readonly #maxBytes: number;
  #records: Waiting[] = [];
  #head = 0;
  #bytes = 0;

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes;
  }

  get empty(): boolean {
    return this.#head === this.#records.length;
  }

  /** A whole request is waiting. */
  get full(): boolean {
    return this.#records.length - this.#head >= ENOUGH_RECORDS || this.#bytes >= this.#maxBytes;
  }

  push(record: Waiting): void {
    this.#records.push(record);
    this.#bytes += record.bytes;
  }

  /** The next request's records: at least one, and no more than its limits allow. */
  take(): Waiting[] {
    const from = this.#head;
    let bytes = 0;
    let to = from;
    while (to < this.#records.length && to - from < MOST_RECORDS) {
      const next = (this.#records[to] as Waiting).bytes;
      if (to > from && bytes + next > this.#maxBytes) break;
      bytes += next;
      to++;
    }
    const taken = this.#records.slice(from, to);
    this.#bytes -= bytes;
    this.#head = to;
    if (this.empty || to > COMPACT_FROM) {
      this.#records = this.#records.slice(to);
      this.#head = 0;
    }
    return taken;
  }
}
