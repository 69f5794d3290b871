import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Attachment } from './attachments.ts';
import { CONTENT_TYPES, contentOf } from './content.ts';

/** Pause between the parts of a slow body, in milliseconds. */
const SLOW_PAUSE = 150;

/** A file server on 127.0.0.1 that behaves as badly as the attachments say. */
export class AttachmentServer implements AsyncDisposable {
  readonly #server: Server;
  readonly #attachments = new Map<string, Attachment>();
  readonly #asked = new Map<string, number>();

  readonly #latency: number;

  private constructor(latency: number) {
    this.#latency = latency;
    this.#server = createServer((request, response) => void this.#answer(request, response).catch(() => response.destroy()));
  }

  /** @param latency milliseconds before each answer */
  static async start({ latency = 0 } = {}): Promise<AttachmentServer> {
    const started = new AttachmentServer(latency);
    started.#server.listen(0, '127.0.0.1');
    await once(started.#server, 'listening');
    return started;
  }

  /** `127.0.0.1:<port>` */
  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** How often the server was asked for a path. */
  asked(path: string): number {
    return this.#asked.get(path) ?? 0;
  }

  hold(attachment: Attachment): void {
    this.#attachments.set(attachment.path, attachment);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').replace(/\?.*$/, '');
    const times = this.asked(path) + 1;
    this.#asked.set(path, times);
    if (this.#latency > 0) await new Promise((resolve) => setTimeout(resolve, this.#latency));
    const attachment = this.#attachments.get(path);
    if (attachment === undefined) return fail(response, 404);
    switch (attachment.behaviour) {
      case 'missing':
        return fail(response, 404);
      case 'busy-for-ever':
        return fail(response, 503);
      case 'busy-once':
        return times <= 1 ? fail(response, 503) : send(response, attachment);
      case 'busy-twice':
        return times <= 2 ? fail(response, 503) : send(response, attachment);
      case 'cut-once':
        return times <= 1 ? cut(response, attachment) : send(response, attachment);
      case 'slow':
        return sendSlowly(response, attachment);
      case 'empty':
        return finish(response, CONTENT_TYPES[attachment.kind], Buffer.alloc(0));
      case 'html-as-pdf':
        return finish(response, 'text/html', Buffer.from('<!DOCTYPE html><html><body>Sign in to continue</body></html>\n'));
      case 'program-as-pdf':
        return finish(
          response,
          'application/octet-stream',
          Buffer.concat([Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1'), Buffer.alloc(2_000)]),
        );
      case 'octet-stream':
        return send(response, attachment, 'binary/octet-stream');
      default:
        return send(response, attachment);
    }
  }
}

/** What the server sends in the end. */
export function bodyOf({ kind, path, size }: Attachment): Buffer {
  return contentOf(kind, path, size);
}

function fail(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'application/xml' }).end('<Error/>');
}

function finish(response: ServerResponse, contentType: string, body: Buffer): void {
  response.writeHead(200, { 'content-type': contentType, 'content-length': body.length }).end(body);
}

function send(response: ServerResponse, attachment: Attachment, contentType: string = CONTENT_TYPES[attachment.kind]): void {
  finish(response, contentType, bodyOf(attachment));
}

async function sendSlowly(response: ServerResponse, attachment: Attachment): Promise<void> {
  const body = bodyOf(attachment);
  response.writeHead(200, { 'content-type': CONTENT_TYPES[attachment.kind], 'content-length': body.length });
  const part = Math.ceil(body.length / 5);
  for (let start = 0; start < body.length && !response.destroyed; start += part) {
    response.write(body.subarray(start, start + part));
    await new Promise((resolve) => setTimeout(resolve, SLOW_PAUSE));
  }
  response.end();
}

/** Announces the whole body, sends a half and hangs up. */
function cut(response: ServerResponse, attachment: Attachment): void {
  const body = bodyOf(attachment);
  response.writeHead(200, { 'content-type': CONTENT_TYPES[attachment.kind], 'content-length': body.length });
  response.write(body.subarray(0, body.length / 2), () => response.destroy());
}
