import type { Socket } from 'node:net';
import type { BrokerLog } from '../options.ts';
import { MalformedRequest } from '../wire/reader.ts';
import { CLOSE_CONNECTION, NO_ANSWER, type Peer } from './call.ts';
import { FrameReader } from './frame-reader.ts';
import type { Router } from './router.ts';

/** Requests and bytes of one connection that may wait; beyond them the broker stops reading from it. */
const MAX_WAITING = 32;
const MAX_WAITING_BYTES = 16 << 20;

export interface ConnectionOptions {
  readonly router: Router;
  readonly maxRequestBytes: number;
  readonly authenticated: boolean;
  readonly log: BrokerLog;
}

/**
 * One client. Its requests are handled one after another and answered in order; the next one waits until the client has taken the
 * answer, so that a slow reader costs a bounded amount of memory. Whatever goes wrong ends this connection and nothing else.
 */
export class Connection {
  readonly #socket: Socket;
  readonly #options: ConnectionOptions;
  readonly #frames: FrameReader;
  readonly #abort = new AbortController();
  readonly #peer: Peer;
  readonly #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #busy = false;
  /** Resolves when the connection is closed and its last request is through. */
  readonly finished: Promise<void>;
  #finish: () => void = () => {};

  constructor(socket: Socket, options: ConnectionOptions) {
    this.#socket = socket;
    this.#options = options;
    this.#frames = new FrameReader(options.maxRequestBytes);
    this.#peer = {
      clientHost: socket.remoteAddress ?? '',
      localHost: (socket.localAddress ?? '').replace(/^::ffff:/, ''),
      localPort: socket.localPort ?? 0,
      closed: this.#abort.signal,
      authenticated: options.authenticated,
      saslMechanism: undefined,
    };
    this.finished = new Promise((resolve) => {
      this.#finish = resolve;
    });
    socket.setNoDelay(true);
    socket.on('data', (chunk) => this.#receive(chunk));
    // A reset by the client is its own affair; 'close' follows.
    socket.on('error', () => {});
    socket.on('close', () => this.#closed());
  }

  /** Ends waiting requests at once; the connection is gone when {@link finished} resolves. */
  close(): void {
    this.#abort.abort();
    this.#socket.destroy();
  }

  #receive(chunk: Buffer): void {
    try {
      for (const frame of this.#frames.push(chunk)) {
        this.#waiting.push(frame);
        this.#waitingBytes += frame.length;
      }
    } catch (error) {
      this.#fail(error);
      return;
    }
    if (this.#waiting.length > MAX_WAITING || this.#waitingBytes > MAX_WAITING_BYTES) this.#socket.pause();
    if (!this.#busy) void this.#serve();
  }

  async #serve(): Promise<void> {
    this.#busy = true;
    for (let frame = this.#waiting.shift(); frame && !this.#socket.destroyed; frame = this.#waiting.shift()) {
      this.#waitingBytes -= frame.length;
      try {
        const answer = await this.#options.router.answer(frame, this.#peer);
        if (answer === CLOSE_CONNECTION) this.#socket.destroy();
        else if (answer !== NO_ANSWER) await this.#send(answer);
      } catch (error) {
        this.#fail(error);
      }
      if (this.#socket.isPaused() && this.#waiting.length < MAX_WAITING / 2 && this.#waitingBytes < MAX_WAITING_BYTES / 2)
        this.#socket.resume();
    }
    this.#busy = false;
    if (this.#socket.destroyed) this.#finish();
  }

  async #send(parts: readonly Buffer[]): Promise<void> {
    if (this.#socket.destroyed) return;
    this.#socket.cork();
    for (const part of parts) this.#socket.write(part);
    this.#socket.uncork();
    if (this.#socket.writableNeedDrain) await this.#drained();
  }

  #drained(): Promise<void> {
    return new Promise((resolve) => {
      const done = (): void => {
        this.#socket.off('drain', done);
        this.#socket.off('close', done);
        resolve();
      };
      this.#socket.on('drain', done);
      this.#socket.on('close', done);
    });
  }

  #fail(error: unknown): void {
    const fields = { client: this.#peer.clientHost };
    if (error instanceof MalformedRequest) this.#options.log('warn', `connection closed: ${error.message}`, fields);
    else this.#options.log('error', 'connection closed: a request could not be handled', { ...fields, error });
    this.#socket.destroy();
  }

  #closed(): void {
    this.#abort.abort();
    this.#waiting.length = 0;
    if (!this.#busy) this.#finish();
  }
}
