import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { startTestHost, type TestHost } from '../../host/src/testing/index.ts';
import { FIRST_TOKEN } from '../../plugins/claimx/simulation/api-server.ts';
import plugin, { eventsRaw } from '../../plugins/claimx/src/index.ts';
import { type SimulatedClaimX, simulateClaimX } from './simulated.ts';

const EVENTS = 150;
const SEED = 7;
/** Why an attempt at a file may fail that storage has trouble with for itself. */
const OF_A_FILE: ReadonlySet<unknown> = new Set(['CLAIMX_FILE_REFUSED', 'PH_DOWNLOAD_CUT', 'PH_DOWNLOAD_EMPTY']);

let world: SimulatedClaimX;
let host: TestHost;

before(async () => {
  world = await simulateClaimX(SEED);
  host = await startTestHost({ plugins: [plugin], config: { plugins: { claimx: { config: world.configWith(FIRST_TOKEN) } } } });
});
after(async () => {
  await host?.close();
  await world?.[Symbol.asyncDispose]();
});

async function sendEvents(): Promise<void> {
  for (const { key, value } of world.events(EVENTS)) await host.send(eventsRaw, value, { key });
}

/** Everything is as it would be if nothing had been away, and no event took more than its first attempt for what was. */
async function assertNothingLost(): Promise<void> {
  const results = {
    rows: (table: string) => host.rows(table),
    deadLetters: () => host.deadLetters(),
    files: () => host.files(),
  };
  assert.deepEqual(await world.wrongSums(results), []);
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
    world.api.outage.begin();
    await sendEvents();
    await host.advance('1h');
    assert.deepEqual(stateOf('enricher'), 'paused');
    world.api.outage.end();
    await host.settled();
    await assertNothingLost();
  });

  it('when the API takes the token again that it refused', async () => {
    world.api.tokens.revoke(FIRST_TOKEN);
    await sendEvents();
    await host.advance('1h');
    assert.deepEqual(stateOf('enricher'), 'paused');
    world.api.tokens.accept(FIRST_TOKEN);
    await host.settled();
    await assertNothingLost();
  });

  it('with fresh links where all have ended while storage was away', async () => {
    world.storage.outage.begin();
    await sendEvents();
    await host.advance('90m');
    world.storage.outage.end();
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
