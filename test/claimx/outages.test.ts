import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestHost, type TestHost } from '../../host/src/testing/index.ts';
import { type ApiServer, FIRST_TOKEN, startApiServer } from '../../plugins/claimx/simulation/api-server.ts';
import { generateEvents } from '../../plugins/claimx/simulation/events.ts';
import { MediaStorage } from '../../plugins/claimx/simulation/media-storage.ts';
import { ClaimXState } from '../../plugins/claimx/simulation/state.ts';
import { Expectations } from '../../plugins/claimx/simulation/sums.ts';
import plugin, { eventsRaw } from '../../plugins/claimx/src/index.ts';

const EVENTS = 150;
const SEED = 7;
/** Why an attempt at a file may fail that storage has trouble with for itself. */
const OF_A_FILE: ReadonlySet<unknown> = new Set(['CLAIMX_FILE_REFUSED', 'PH_DOWNLOAD_CUT', 'PH_DOWNLOAD_EMPTY']);

let state: ClaimXState;
let storage: MediaStorage;
let api: ApiServer;
let host: TestHost;
let expectations: Expectations;
let events: ReturnType<typeof generateEvents>;

before(async () => {
  state = new ClaimXState();
  storage = await MediaStorage.start(state, SEED);
  api = await startApiServer({ state, storage, seed: SEED });
  expectations = new Expectations(state, storage.origin);
  events = generateEvents(SEED, state);
  const loopback = ['127.0.0.1/32'];
  host = await startTestHost({
    plugins: [plugin],
    config: {
      plugins: {
        claimx: {
          config: {
            api: { baseUrl: api.baseUrl, token: FIRST_TOKEN, senderUsername: 'test', privateRanges: loopback },
            allowedHosts: [storage.host],
            schemes: ['http'],
            privateRanges: loopback,
          },
        },
      },
    },
  });
});
after(async () => {
  await host?.close();
  await api?.[Symbol.asyncDispose]();
  await storage?.[Symbol.asyncDispose]();
});

async function sendEvents(): Promise<void> {
  for (let sent = 0; sent < EVENTS; sent++) {
    const { value } = events.next();
    expectations.add(value);
    await host.send(eventsRaw, value.message.value, { key: value.message.key });
  }
}

/** Everything is as it would be if nothing had been away, and no event took more than its first attempt for what was. */
async function assertNothingLost(): Promise<void> {
  const sums = await expectations.check({
    rows: (table) => host.rows(table),
    deadLetters: () => host.deadLetters(),
    files: () => host.files(),
  });
  assert.deepEqual(
    sums.filter(({ expected, actual }) => expected !== actual),
    [],
  );
  const attempts = await host.rows('claimx_event_log');
  assert.deepEqual(
    attempts.filter(({ attempt }) => attempt !== 1),
    [],
  );
}

function stateOf(worker: string): string | undefined {
  return host.status().units.find(({ id }) => id.includes(worker))?.state.kind;
}

describe('claimx goes on where it stood, and no attempt is burned', () => {
  it('after an hour without the API', async () => {
    api.outage.begin();
    await sendEvents();
    await host.advance('1h');
    assert.deepEqual(stateOf('enricher'), 'paused');
    api.outage.end();
    await host.settled();
    await assertNothingLost();
  });

  it('when the API takes the token again that it refused', async () => {
    api.tokens.revoke(FIRST_TOKEN);
    await sendEvents();
    await host.advance('1h');
    assert.deepEqual(stateOf('enricher'), 'paused');
    api.tokens.accept(FIRST_TOKEN);
    await host.settled();
    await assertNothingLost();
  });

  it('with fresh links where all have ended while storage was away', async () => {
    storage.outage.begin();
    await sendEvents();
    await host.advance('90m');
    storage.outage.end();
    await host.settled();
    await assertNothingLost();
    // What burned an attempt of a download was the file itself.
    const tried = host.log.filter(({ message }) => message === 'record failed and is tried again later');
    const codes = new Set(tried.map(({ fields }) => fields['code']));
    assert.deepEqual(
      [...codes].filter((code) => !OF_A_FILE.has(code)),
      [],
    );
  });
});
