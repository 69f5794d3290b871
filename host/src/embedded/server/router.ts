import { setTimeout as delay } from 'node:timers/promises';
import type { Api, TopicPartition } from '../api/api.ts';
import { apiVersionsApi } from '../api/session.ts';
import { ErrorCode } from '../error-code.ts';
import type { FaultQueue } from '../faults.ts';
import { MalformedRequest, WireReader } from '../wire/reader.ts';
import { WireWriter } from '../wire/writer.ts';
import { type Call, CLOSE_CONNECTION, type Handler, NO_ANSWER, type Peer } from './call.ts';

interface Decoded {
  readonly touches: () => readonly Partial<TopicPartition>[];
  /** Handles the request and gives back how to write its answer, or why there is none. */
  readonly run: (call: Call) => Promise<((writer: WireWriter) => void) | typeof NO_ANSWER | typeof CLOSE_CONNECTION>;
}

/** One request type with its handler, its types hidden from the router. */
export interface Route extends Pick<Api<never, never>, 'key' | 'name' | 'versions' | 'flexible'> {
  readonly decode: (reader: WireReader, version: number) => Decoded;
}

export function route<Request, Response>(api: Api<Request, Response>, handle: Handler<Request, Response>): Route {
  const { key, name, versions, flexible } = api;
  return {
    ...{ key, name, versions },
    ...(flexible && { flexible }),
    decode: (reader, version) => {
      const request = api.decode(reader, version);
      return {
        touches: () => api.touches?.(request) ?? [],
        run: async (call) => {
          const response = await handle(request, call);
          if (response === NO_ANSWER) return NO_ANSWER;
          if (response === CLOSE_CONNECTION) return CLOSE_CONNECTION;
          return (writer) => api.encode(writer, version, response);
        },
      };
    },
  };
}

/** Requests that a client may send before it has authenticated: ApiVersions, SaslHandshake, SaslAuthenticate. */
const BEFORE_AUTHENTICATION: ReadonlySet<number> = new Set([18, 17, 36]);

/** Decodes a request, finds its handler and frames the answer. */
export class Router {
  readonly #routes: ReadonlyMap<number, Route>;
  readonly #faults: FaultQueue;
  readonly #isOwner: () => boolean;

  /** `isOwner` is asked around each request: who does not own the data any more must neither touch it nor acknowledge what it did. */
  constructor(routes: readonly Route[], faults: FaultQueue, isOwner: () => boolean) {
    const versions: Route = route(apiVersionsApi, () => ({ error: ErrorCode.NONE, apis: [...this.#routes.values()] }));
    this.#routes = new Map([...routes, versions].map((entry) => [entry.key, entry]));
    this.#faults = faults;
    this.#isOwner = isOwner;
  }

  /** The framed answer, or why there is none. Throws {@link MalformedRequest} for bytes that are not a request of ours. */
  async answer(frame: Buffer, peer: Peer): Promise<readonly Buffer[] | typeof NO_ANSWER | typeof CLOSE_CONNECTION> {
    const reader = new WireReader(frame);
    const key = reader.int16();
    const version = reader.int16();
    const correlationId = reader.int32();
    const clientId = reader.nullableString() ?? '';
    const writer = new WireWriter().int32(correlationId);

    const found = this.#routes.get(key);
    if (!found) throw new MalformedRequest(`unknown request type ${key}`);
    const [oldest, newest] = found.versions;
    if (found.key === apiVersionsApi.key && version > newest) {
      // Clients begin with the newest version they know; the answer in version 0 tells them ours.
      apiVersionsApi.encode(writer, 0, { error: ErrorCode.UNSUPPORTED_VERSION, apis: [...this.#routes.values()] });
      return writer.frame();
    }
    if (version < oldest || version > newest)
      throw new MalformedRequest(`${found.name} version ${version}, supported are ${oldest} to ${newest}`);
    if (!peer.authenticated && !BEFORE_AUTHENTICATION.has(key)) throw new MalformedRequest(`${found.name} before authentication`);
    if (found.flexible) {
      reader.skipTaggedFields();
      writer.noTaggedFields();
    }

    const request = found.decode(reader, version);
    const faults = this.#faults.take(found.name, request.touches);
    if (faults.drop) return CLOSE_CONNECTION;
    if (faults.delayMs > 0) await delay(faults.delayMs, undefined, { signal: peer.closed }).catch(() => {});
    if (peer.closed.aborted || !this.#isOwner()) return CLOSE_CONNECTION;
    const encode = await request.run({ version, clientId, peer, faults });
    if (faults.dropAnswer || !this.#isOwner()) return CLOSE_CONNECTION;
    if (encode === NO_ANSWER || encode === CLOSE_CONNECTION) return encode;
    encode(writer);
    return writer.frame();
  }
}
