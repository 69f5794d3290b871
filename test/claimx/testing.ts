import { type Route, type SimulatedService, startService, type TestedWorker, testWorker } from '../../host/src/testing/index.ts';
import plugin from '../../plugins/claimx/src/index.ts';
import { enricher } from '../../plugins/claimx/src/workers/enricher.ts';
import { PROJECT } from './samples.ts';

const ORIGIN = 'https://api.example.test';

/** The plugin's config with an API that a stand-in takes the place of. */
export const config = { api: { baseUrl: `${ORIGIN}/api`, token: 'dXNlcjpzM2NyZXQ=', senderUsername: 'reports@example.test' } };

/** The enricher, and the API that it asks. */
export interface AskingEnricher extends AsyncDisposable {
  readonly worker: TestedWorker;
  readonly api: SimulatedService;
}

/** @param routes of the API, such as `GET /export/project/:id` */
export async function enricherAsking(routes: Readonly<Record<string, Route>>): Promise<AskingEnricher> {
  const stack = new AsyncDisposableStack();
  const under = Object.entries(routes).map(([route, answer]): [string, Route] => [route.replace(' ', ' /api'), answer]);
  const api = stack.use(await startService({ routes: Object.fromEntries(under) }));
  const worker = stack.use(testWorker(enricher, { plugin, config, standIns: { [ORIGIN]: api } }));
  return { worker, api, [Symbol.asyncDispose]: () => stack.disposeAsync() };
}

/** An event to enrich, as it stands on the topic. */
export const eventOf = (given: object) => ({
  trace_id: 'cx-evt-1',
  project_id: PROJECT,
  created_at: '2026-01-05T10:00:05Z',
  ...given,
});
