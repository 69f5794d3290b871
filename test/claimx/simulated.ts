import type { SimulationResults, SourceMessage, Sum } from '@pipeline-host/sdk';
import { type ApiServer, startApiServer } from '../../plugins/claimx/simulation/api-server.ts';
import { generateEvents } from '../../plugins/claimx/simulation/events.ts';
import { MediaStorage } from '../../plugins/claimx/simulation/media-storage.ts';
import { ClaimXState } from '../../plugins/claimx/simulation/state.ts';
import { Expectations } from '../../plugins/claimx/simulation/sums.ts';

/** The plugin's simulation in parts that a test can take away: its API, the storage of its media, and events of what happened there. */
export interface SimulatedClaimX extends AsyncDisposable {
  readonly api: ApiServer;
  readonly storage: MediaStorage;
  /** `plugins.claimx.config` for it. */
  configWith(token: string): object;
  /** The next events. */
  events(count: number): readonly SourceMessage[];
  /** What does not hold of all events so far. */
  wrongSums(results: SimulationResults): Promise<readonly Sum[]>;
}

export async function simulateClaimX(seed: number): Promise<SimulatedClaimX> {
  await using stack = new AsyncDisposableStack();
  const state = new ClaimXState();
  const storage = stack.use(await MediaStorage.start(state, seed));
  const api = stack.use(await startApiServer({ state, storage, seed }));
  const expectations = new Expectations(state, storage.origin);
  const planned = generateEvents(seed, state);
  const loopback = ['127.0.0.1/32'];
  const owned = stack.move();
  return {
    ...{ api, storage },
    configWith: (token) => ({
      api: { baseUrl: api.baseUrl, token, senderUsername: 'test', privateRanges: loopback },
      allowedHosts: [storage.host],
      schemes: ['http'],
      privateRanges: loopback,
    }),
    events: (count) =>
      Array.from({ length: count }, () => {
        const { value } = planned.next();
        expectations.add(value);
        return value.message;
      }),
    wrongSums: async (results) => (await expectations.check(results)).filter(({ expected, actual }) => expected !== actual),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}
