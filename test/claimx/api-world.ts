import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A request as the API saw it. */
export interface Asked {
  readonly method: string;
  /** Without the base path, with the query. */
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly body: string;
}

/** An answer: its body as JSON, or with a status, headers or text of its own. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
}

type Answerer = (asked: Asked) => Answer | Promise<Answer>;

/** A loopback ClaimX API, and the media server beside it, whose answers a test gives, by the beginning of `METHOD path`; the longest counts. */
export interface ApiWorld extends AsyncDisposable {
  readonly baseUrl: string;
  /** Of the media server. */
  readonly origin: string;
  readonly asked: Asked[];
  /** `GET /export/project/7` of each request. */
  readonly lines: () => readonly string[];
  answer(route: string, answer: Answer | Answerer): void;
}

export async function openApiWorld(): Promise<ApiWorld> {
  const routes = new Map<string, Answerer>();
  const asked: Asked[] = [];
  const server = createServer((request, response) => void serve(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const base = '/service/cxedirest';

  const serve = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const body = Buffer.concat(await request.toArray()).toString('utf8');
    const { method = '', url = '', headers } = request;
    const one = { method, path: url.startsWith(base) ? url.slice(base.length) : url, headers, body };
    asked.push(one);
    const line = `${method} ${one.path}`;
    const route = [...routes.keys()].filter((candidate) => line.startsWith(candidate)).sort((a, b) => b.length - a.length)[0];
    const answer: Answer = (await routes.get(route ?? '')?.(one)) ?? { status: 404, json: { message: 'none' } };
    const text = answer.text ?? (answer.json === undefined ? '' : JSON.stringify(answer.json));
    response.writeHead(answer.status ?? 200, { 'content-type': 'application/json', ...answer.headers }).end(text);
  };

  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  return {
    baseUrl: origin + base,
    origin,
    asked,
    lines: () => asked.map(({ method, path }) => `${method} ${path}`),
    answer: (route, answer) => routes.set(route, typeof answer === 'function' ? answer : () => answer),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
