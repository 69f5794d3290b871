import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { answer, type ServiceAnswer } from './answers.ts';
import { Random } from './random.ts';
import { compilePattern, type PatternMatch } from './route-pattern.ts';

/** A request as routes and rules see it. */
export interface ServiceRequest {
  readonly method: string;
  /** As it was asked for, without the query. */
  readonly path: string;
  /** Of the pattern that fitted, decoded; none for a rule. */
  readonly params: Readonly<Record<string, string>>;
  readonly query: URLSearchParams;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
  /** How often this method and path was asked for, this time included. */
  readonly nth: number;
  /** Follows from the service's seed, the method, the path and `nth`, whatever else is asked for meanwhile. */
  readonly random: Random;
}

/** Answers a request. One that throws is a mistake of the simulation: 500, and a warning of the process. */
export type Route = (request: ServiceRequest) => ServiceAnswer | Promise<ServiceAnswer>;

/** Looks at a request before its route does: answers it, or lets it pass. See {@link rules}. */
export type Rule = (request: ServiceRequest) => ServiceAnswer | undefined;

export interface ServiceOptions {
  /** By pattern, such as `GET /projects/:id` or `GET /files/*`; the first that fits answers, 404 where none does. */
  readonly routes: Readonly<Record<string, Route>>;
  /** In order; the first answer counts. */
  readonly rules?: readonly Rule[];
  /** Milliseconds before each answer, or the least and the most of them. Default 0. */
  readonly latency?: number | { readonly least: number; readonly most: number };
  /** The same seed gives the same latencies and the same faults for the same requests. Default 1. */
  readonly seed?: number;
}

/** A running stand-in for a service, on 127.0.0.1. */
export interface SimulatedService extends AsyncDisposable {
  /** `http://127.0.0.1:<port>` */
  readonly url: string;
  /** `127.0.0.1:<port>`, as a list of allowed hosts wants it. */
  readonly host: string;
  /** How often a path was asked for (`/projects/7`), or by one method (`GET /projects/7`). */
  asked(path: string): number;
  /** How many answers had this status. */
  answered(status: number): number;
  /** The most requests that were open at once. */
  readonly mostAtOnce: number;
  close(): Promise<void>;
}

/**
 * A stand-in for an HTTP service: state is whatever the routes close over, faults are rules, and with one seed the same
 * requests meet the same of both.
 *
 * @example
 * ```ts
 * const outage = rules.outage();
 * await using api = await startService({
 *   rules: [outage, rules.rateLimit({ perSecond: 50 })],
 *   routes: { 'GET /rooms/:id': ({ params }) => answer.json(rooms.get(params['id'] ?? '') ?? null) },
 * });
 * ```
 */
export async function startService(options: ServiceOptions): Promise<SimulatedService> {
  const service = new LoopbackService(options);
  await service.listen();
  return service;
}

class LoopbackService implements SimulatedService {
  readonly #server: Server;
  readonly #options: ServiceOptions;
  readonly #routes: readonly { readonly matches: PatternMatch; readonly route: Route }[];
  readonly #asked = new Map<string, number>();
  readonly #answered = new Map<number, number>();
  #open = 0;
  mostAtOnce = 0;

  constructor(options: ServiceOptions) {
    this.#options = options;
    this.#routes = Object.entries(options.routes).map(([pattern, route]) => ({ matches: compilePattern(pattern), route }));
    this.#server = createServer((request, response) => void this.#serve(request, response));
  }

  async listen(): Promise<void> {
    this.#server.listen(0, '127.0.0.1');
    await once(this.#server, 'listening');
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }
  get url(): string {
    return `http://${this.host}`;
  }
  asked(path: string): number {
    return this.#asked.get(path) ?? 0;
  }
  answered(status: number): number {
    return this.#answered.get(status) ?? 0;
  }

  async close(): Promise<void> {
    if (!this.#server.listening) return;
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.mostAtOnce = Math.max(this.mostAtOnce, ++this.#open);
    response.once('close', () => this.#open--);
    try {
      const request = await this.#read(incoming);
      await pause(this.#latency(request.random));
      const given = await this.#answer(request);
      this.#answered.set(given.status, this.answered(given.status) + 1);
      await deliver(given, response);
    } catch (error) {
      // A client that went away asks for nothing more; anything else is a mistake of whoever wrote the routes.
      if (!incoming.destroyed || !response.destroyed) process.emitWarning(error instanceof Error ? error : String(error));
      if (response.headersSent) response.destroy();
      else response.writeHead(500, { 'content-type': 'text/plain' }).end(`a route of the simulation failed: ${String(error)}`);
    }
  }

  async #read(incoming: IncomingMessage): Promise<ServiceRequest> {
    const { method = 'GET', url = '/', headers } = incoming;
    const mark = url.indexOf('?');
    const path = mark < 0 ? url : url.slice(0, mark);
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const nth = this.#count(`${method} ${path}`);
    this.#count(path);
    return {
      ...{ method, path, params: {}, headers, nth },
      query: new URLSearchParams(mark < 0 ? '' : url.slice(mark + 1)),
      body: Buffer.concat(chunks),
      random: Random.from(this.#options.seed ?? 1, `${method} ${path} ${nth}`),
    };
  }

  #count(what: string): number {
    const count = this.asked(what) + 1;
    this.#asked.set(what, count);
    return count;
  }

  #latency(random: Random): number {
    const { latency = 0 } = this.#options;
    return typeof latency === 'number' ? latency : random.between(latency.least, latency.most);
  }

  #answer(request: ServiceRequest): ServiceAnswer | Promise<ServiceAnswer> {
    for (const rule of this.#options.rules ?? []) {
      const refused = rule(request);
      if (refused !== undefined) return refused;
    }
    for (const { matches, route } of this.#routes) {
      const params = matches(request.method, request.path);
      if (params !== null) return route({ ...request, params });
    }
    return answer.status(404);
  }
}

async function deliver({ status, headers, body, delivery }: ServiceAnswer, response: ServerResponse): Promise<void> {
  response.writeHead(status, { ...headers, 'content-length': body.length });
  if (delivery === 'whole') {
    response.end(body);
    return;
  }
  if (delivery === 'cut') {
    response.write(body.subarray(0, body.length / 2), () => response.destroy());
    return;
  }
  const part = Math.max(1, Math.ceil(body.length / delivery.parts));
  for (let start = 0; start < body.length && !response.destroyed; start += part) {
    response.write(body.subarray(start, start + part));
    await pause(delivery.pause);
  }
  response.end();
}

function pause(milliseconds: number): Promise<void> {
  return milliseconds <= 0 ? Promise.resolve() : new Promise((resolve) => setTimeout(resolve, milliseconds));
}
