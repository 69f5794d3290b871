/**
 * claimx's world on one machine: its API and the storage of its media, with the faults of real ones, and a stream of
 * source events, all from one seed. What an event tells of has happened to what the API holds.
 */
import { defineSimulation, type SourceMessage } from '@pipeline-host/sdk';
import { FIRST_TOKEN, startApiServer, usualFaults } from './api-server.ts';
import { generateEvents } from './events.ts';
import { MediaStorage } from './media-storage.ts';
import { ClaimXState } from './state.ts';
import { Expectations } from './sums.ts';

const DEFAULT_MESSAGES = 2_000;

export default defineSimulation({
  async start({ seed, messages: count = DEFAULT_MESSAGES, log }) {
    const state = new ClaimXState();
    const storage = await MediaStorage.start(state, seed);
    const api = await startApiServer({ state, storage, seed, latency: { least: 1, most: 15 }, faults: usualFaults(seed) });
    const expectations = new Expectations(state, storage.origin);
    const events = generateEvents(seed, state);
    log.info({ api: api.baseUrl, storage: storage.host }, 'simulated ClaimX API and storage');

    function* send(limit: number): Generator<SourceMessage> {
      for (let sent = 0; sent < limit; sent++) {
        const event = events.next();
        if (event.done === true) return;
        expectations.add(event.value);
        yield event.value.message;
      }
    }
    const delays = { retry: { delays: ['500ms', '1s', '2s', '4s'] } };
    const soon = { flush: { age: '1s' } };

    return {
      config: {
        config: {
          api: { baseUrl: api.baseUrl, token: FIRST_TOKEN, senderUsername: 'simulation', privateRanges: ['127.0.0.1/32'] },
          allowedHosts: [storage.host],
          schemes: ['http', 'https'],
          privateRanges: ['127.0.0.1/32'],
        },
        workers: {
          enricher: delays,
          downloader: delays,
          uploader: delays,
          'event-writer': soon,
          'entity-writer': soon,
          'result-processor': soon,
        },
      },
      messages: () => send(count),
      stream: () => send(Number.POSITIVE_INFINITY),
      sums: (results) => expectations.check(results),
      stop: async () => {
        await api[Symbol.asyncDispose]();
        await storage[Symbol.asyncDispose]();
      },
    };
  },
});
