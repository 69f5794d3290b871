import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { ENGINE_NAMES, openForeignEngines } from './foreign/engines.ts';
import { openXactWorld, type XactWorld } from './xact-world.ts';

const engines = await openForeignEngines();
after(() => engines[Symbol.asyncDispose]());

describe('the tables of a whole run', { skip: brokerMissing() || (engines.all.length === 0 && 'no other reader') }, () => {
  let broker: TestBroker;
  let world: XactWorld;
  before(async () => {
    broker = await openSharedBroker();
    world = await openXactWorld({ brokers: broker.brokers, seed: 9, messages: 500 });
    const host = await world.start();
    await world.publish();
    await world.untilThrough();
    await world.assertSums();
    await host.stop();
  });
  after(async () => {
    await world[Symbol.asyncDispose]();
    await broker.close();
  });

  for (const [name, key] of [
    ['xact_events', 'trace_id'],
    ['xact_attachments', 'media_id'],
  ] as const) {
    for (const engine of ENGINE_NAMES) {
      it(`${name} has the same rows for ${engine}`, { skip: engines.missing(engine) }, async () => {
        const reader = engines.get(engine);
        assert.ok(reader);
        const own = (await world.results().rows(name, [key, 'event_date'])).map((row) => String(row[key])).toSorted();
        assert.ok(own.length > 50);
        // A partition column and statistics of a text column: both lose rows where they are false.
        const predicates = ["event_date >= '2026-01-01'", `${key} >= ''`, `${key} = '${own[0]}'`];
        const theirs = await reader.read(join(world.folder, 'tables', name), { predicates });
        assert.equal(theirs.count, own.length);
        assert.deepEqual(theirs.rows.map((row) => String(row[key])).toSorted(), own);
        assert.deepEqual(theirs.matches, [own.length, own.length, own.filter((each) => each === own[0]).length]);
      });
    }
  }
});
