import {
  type AccessTokens,
  answer,
  type Outage,
  type Route,
  type Rule,
  rules,
  type SimulatedService,
  startService,
} from 'pipeline-host/testing';
import { mediaAnswer, projectAnswer, taskAnswer, videoAnswer } from './api-answers.ts';
import type { MediaStorage } from './media-storage.ts';
import { Spelling } from './spelling.ts';
import type { ClaimXState } from './state.ts';

const BASE = '/service/cxedirest';

export interface ApiServerOptions {
  readonly state: ClaimXState;
  readonly storage: MediaStorage;
  readonly seed: number;
  /** Milliseconds before each answer. */
  readonly latency?: { readonly least: number; readonly most: number };
  /** Beside those that can be told to begin. */
  readonly faults?: readonly Rule[];
}

/** The ClaimX API on 127.0.0.1: what it holds is the state, in one of its many spellings each time. */
export interface ApiServer extends AsyncDisposable {
  readonly baseUrl: string;
  /** Basic tokens; it begins with {@link FIRST_TOKEN}. */
  readonly tokens: AccessTokens;
  /** The whole API fails from when it is told to until it is told otherwise. */
  readonly outage: Outage;
  readonly service: SimulatedService;
}

/** `user:password`, as a token of Basic authentication. */
export const FIRST_TOKEN = Buffer.from('simulation:first').toString('base64');

/** The usual faults of an API that many ask: too many requests now and then, and short bursts of failures. */
export function usualFaults(seed: number): readonly Rule[] {
  return [
    rules.flaky({ share: 0.02, status: 429, retryAfter: 1, seed }),
    rules.flaky({ share: 0.02, status: 502, seed: seed + 1 }),
    rules.bursts({ every: 300, length: 3, status: 503 }),
  ];
}

export async function startApiServer({ state, storage, seed, latency, faults = [] }: ApiServerOptions): Promise<ApiServer> {
  const tokens = rules.accessTokens({ scheme: 'Basic', accepted: [FIRST_TOKEN] });
  const outage = rules.outage();
  const service = await startService({
    seed,
    ...(latency !== undefined && { latency }),
    rules: [outage, tokens, ...faults],
    routes: {
      [`GET ${BASE}/export/project/:id`]: project(state),
      [`GET ${BASE}/export/project/:id/media`]: media(state, storage),
      [`GET ${BASE}/customTasks/assignment/:id`]: task(state),
      [`POST ${BASE}/data`]: report(state),
    },
  });
  return { baseUrl: service.url + BASE, tokens, outage, service, [Symbol.asyncDispose]: () => service.close() };
}

function project(state: ClaimXState): Route {
  return ({ params, random }) => {
    const found = state.projects.get(params['id'] ?? '');
    return found === undefined ? notFound() : answer.json(projectAnswer(found, new Spelling(random)));
  };
}

function media(state: ClaimXState, storage: MediaStorage): Route {
  return ({ params, query, random }) => {
    const found = state.projects.get(params['id'] ?? '');
    if (found === undefined) return notFound();
    const wanted = query.get('mediaIds')?.split(',');
    const items = [...found.media.values()].filter(({ id }) => wanted === undefined || wanted.includes(id));
    return answer.json(
      mediaAnswer(
        items.map((one) => ({ media: one, link: storage.linkTo(one) })),
        new Spelling(random),
      ),
    );
  };
}

function task(state: ClaimXState): Route {
  return ({ params, random }) => {
    const found = state.tasks.get(params['id'] ?? '');
    return found === undefined ? notFound() : answer.json(taskAnswer(found, new Spelling(random)));
  };
}

/** The report of video collaborations. One of another project comes first: who takes the first has the wrong one. */
function report(state: ClaimXState): Route {
  return ({ body, random }) => {
    const asked = JSON.parse(body.toString('utf8')) as {
      readonly reportType: string;
      readonly projectId: number;
      readonly startDate?: string;
      readonly endDate?: string;
    };
    const found = state.projects.get(String(asked.projectId));
    if (asked.reportType !== 'VIDEO_COLLABORATION' || found === undefined) return answer.json({ data: [] });
    const { startDate = '', endDate = '9999' } = asked;
    const own = found.videos.filter(({ createdDate }) => createdDate >= startDate && createdDate < endDate);
    const [other] = [...state.projects.values()].find(({ id, videos }) => id !== found.id && videos.length > 0)?.videos ?? [];
    return answer.json(videoAnswer([...(other === undefined || own.length === 0 ? [] : [other]), ...own], new Spelling(random)));
  };
}

function notFound() {
  return answer.json({ message: 'not found' }, { status: 404 });
}
