import {
  answer,
  FILE_CONTENT_TYPES,
  fileContent,
  type Outage,
  type Rule,
  rules,
  type ServiceAnswer,
  type SignedLinks,
  type SimulatedService,
  startService,
} from 'pipeline-host/testing';
import type { ClaimXState, Media } from './state.ts';

/** How long a link lasts; one that ends soon is over before the next minute. */
const LIFETIME = '1h';
const SHORT = '20s';

/** The object store of media files on 127.0.0.1, asked by links that are signed and end. */
export class MediaStorage implements AsyncDisposable {
  readonly #service: SimulatedService;
  readonly #links: SignedLinks;
  /** All of it fails from when it is told to until it is told otherwise. */
  readonly outage: Outage;

  private constructor(service: SimulatedService, links: SignedLinks, outage: Outage) {
    this.#service = service;
    this.#links = links;
    this.outage = outage;
  }

  static async start(state: ClaimXState, seed: number): Promise<MediaStorage> {
    const links = rules.signedLinks();
    const outage = rules.outage();
    const service = await startService({
      seed,
      rules: [outage, deleting(state), links],
      routes: { 'GET /*': ({ path, nth }) => answerFor(state.files.get(path), nth) },
    });
    return new MediaStorage(service, links, outage);
  }

  get origin(): string {
    return this.#service.url;
  }
  /** `127.0.0.1:<port>` */
  get host(): string {
    return this.#service.host;
  }

  /** A new link to the file, as the API gives it out; null where it has none. */
  linkTo(media: Media): string | null {
    if (media.behaviour === 'no-link') return null;
    const isFirst = media.linksGiven++ === 0;
    const link = this.#links.sign(this.origin + media.path, isFirst && media.behaviour === 'ends-soon' ? SHORT : LIFETIME);
    const isRefused = media.behaviour === 'deleted' || (isFirst && media.behaviour === 'refused-once');
    return isRefused ? link.replace(/(X-Amz-Signature=).*$/, '$1none') : link;
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#service.close();
  }
}

/** What its storage sends in the end. */
export function contentOf({ kind, path, size }: Media): Buffer {
  return fileContent(kind, path, size);
}

/** Whoever asks for a deleted file is refused, and the API does not know it any more. */
function deleting(state: ClaimXState): Rule {
  return ({ path }) => {
    const media = state.files.get(path);
    if (media?.behaviour === 'deleted') state.delete(media);
    return undefined;
  };
}

/** @param nth that it was asked for with a good link, or another one */
function answerFor(media: Media | undefined, nth: number): ServiceAnswer {
  if (media === undefined) return answer.status(404);
  const file = answer.file(contentOf(media), FILE_CONTENT_TYPES[media.kind]);
  switch (media.behaviour) {
    case 'lost':
      return answer.status(404);
    case 'busy-once':
      return nth === 1 ? answer.status(503) : file;
    case 'cut-once':
      return nth === 1 ? answer.cut(file) : file;
    case 'slow':
      return answer.slow(file);
    case 'empty':
      return answer.file(Buffer.alloc(0), FILE_CONTENT_TYPES[media.kind]);
    case 'page-as-photo':
      return answer.file(Buffer.from('<!DOCTYPE html><html><body>Sign in to continue</body></html>\n'), 'text/html');
    case 'program':
      return answer.file(Buffer.concat([Buffer.from('MZ\x90\0\x03\0\0\0', 'latin1'), Buffer.alloc(2_000)]), 'application/octet-stream');
    default:
      return file;
  }
}
