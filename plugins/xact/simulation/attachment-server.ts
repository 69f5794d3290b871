import { answer, type ServiceAnswer, type SimulatedService, startService } from 'pipeline-host/testing';
import type { Attachment } from './attachments.ts';
import { CONTENT_TYPES, contentOf } from './content.ts';

/** A file server on 127.0.0.1 that behaves as badly as the attachments say. */
export class AttachmentServer implements AsyncDisposable {
  readonly #service: SimulatedService;
  readonly #attachments: Map<string, Attachment>;

  private constructor(service: SimulatedService, attachments: Map<string, Attachment>) {
    this.#service = service;
    this.#attachments = attachments;
  }

  /** @param latency milliseconds before each answer */
  static async start({ latency = 0 } = {}): Promise<AttachmentServer> {
    const attachments = new Map<string, Attachment>();
    const service = await startService({
      latency,
      routes: { '* /*': ({ path, nth }) => answerFor(attachments.get(path), nth) },
    });
    return new AttachmentServer(service, attachments);
  }

  /** `127.0.0.1:<port>` */
  get host(): string {
    return this.#service.host;
  }

  /** How often the server was asked for a path. */
  asked(path: string): number {
    return this.#service.asked(path);
  }

  hold(attachment: Attachment): void {
    this.#attachments.set(attachment.path, attachment);
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#service.close();
  }
}

/** What the server sends in the end. */
export function bodyOf({ kind, path, size }: Attachment): Buffer {
  return contentOf(kind, path, size);
}

/** @param times that it was asked for, this time included */
function answerFor(attachment: Attachment | undefined, times: number): ServiceAnswer {
  if (attachment === undefined) return failure(404);
  switch (attachment.behaviour) {
    case 'missing':
      return failure(404);
    case 'busy-for-ever':
      return failure(503);
    case 'busy-once':
      return times <= 1 ? failure(503) : fileOf(attachment);
    case 'busy-twice':
      return times <= 2 ? failure(503) : fileOf(attachment);
    case 'cut-once':
      return times <= 1 ? answer.cut(fileOf(attachment)) : fileOf(attachment);
    case 'slow':
      return answer.slow(fileOf(attachment));
    case 'empty':
      return answer.file(Buffer.alloc(0), CONTENT_TYPES[attachment.kind]);
    case 'html-as-pdf':
      return answer.file(Buffer.from('<!DOCTYPE html><html><body>Sign in to continue</body></html>\n'), 'text/html');
    case 'program-as-pdf':
      return answer.file(Buffer.concat([Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1'), Buffer.alloc(2_000)]), 'application/octet-stream');
    case 'octet-stream':
      return answer.file(bodyOf(attachment), 'binary/octet-stream');
    default:
      return fileOf(attachment);
  }
}

function failure(status: number): ServiceAnswer {
  return answer.status(status, { headers: { 'content-type': 'application/xml' }, body: '<Error/>' });
}

function fileOf(attachment: Attachment): ServiceAnswer {
  return answer.file(bodyOf(attachment), CONTENT_TYPES[attachment.kind]);
}
