import { answer, type ServiceAnswer, type ServiceRequest, startService } from '../../host/src/testing/index.ts';

const BASE = '/service/cxedirest';

/** A request as the API saw it. */
export interface Asked {
  readonly method: string;
  /** Without the base path, with the query. */
  readonly path: string;
  readonly headers: ServiceRequest['headers'];
  readonly body: string;
}

/** An answer: its body as JSON, or with a status, headers or text of its own. */
export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
  readonly text?: string;
  /** The connection ends in the middle of the body. */
  readonly cut?: boolean;
  /** Milliseconds of silence in the middle of the body. */
  readonly silent?: number;
}

type Answerer = (asked: Asked) => Answer;

/** A ClaimX API, and the media server beside it, whose answers a test gives, by the beginning of `METHOD path`; the longest counts. */
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
  const given = new Map<string, Answerer>();
  const asked: Asked[] = [];
  const serve = ({ method, path, query, headers, body }: ServiceRequest): ServiceAnswer => {
    const whole = query.size === 0 ? path : `${path}?${query.toString()}`;
    const one = { method, path: whole.startsWith(BASE) ? whole.slice(BASE.length) : whole, headers, body: body.toString('utf8') };
    asked.push(one);
    const line = `${method} ${one.path}`;
    const [route = ''] = [...given.keys()].filter((beginning) => line.startsWith(beginning)).sort((a, b) => b.length - a.length);
    return delivered(given.get(route)?.(one) ?? { status: 404, json: { message: 'none' } });
  };
  const service = await startService({ routes: { 'GET /*': serve, 'POST /*': serve } });
  return {
    baseUrl: service.url + BASE,
    origin: service.url,
    asked,
    lines: () => asked.map(({ method, path }) => `${method} ${path}`),
    answer: (route, one) => given.set(route, typeof one === 'function' ? one : () => one),
    [Symbol.asyncDispose]: () => service.close(),
  };
}

function delivered({ status = 200, headers = {}, json, text, cut = false, silent }: Answer): ServiceAnswer {
  const body = text ?? (json === undefined ? '' : JSON.stringify(json));
  const whole = answer.status(status, { headers: { 'content-type': 'application/json', ...headers }, body });
  if (silent !== undefined) return answer.slow(whole, { parts: 2, pause: silent });
  return cut ? answer.cut(whole) : whole;
}
