import assert from 'node:assert/strict';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openPythonReaders, type PythonReaders } from './python-readers.ts';
import { openXactWorld, type XactWorld } from './xact-world.ts';

const readers = await openPythonReaders();

describe('the tables of a whole run', { skip: brokerMissing() || (readers === null && 'no other reader') }, () => {
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
    for (const reader of ['readWithDeltaRs', 'readWithDuckDb'] as const satisfies readonly (keyof PythonReaders)[]) {
      it(`${name} has the same rows for ${reader === 'readWithDuckDb' ? "DuckDB's delta extension" : 'deltalake'}`, async () => {
        assert.ok(readers);
        const own = (await world.results().rows(name, [key, 'event_date'])).map((row) => String(row[key])).toSorted();
        assert.ok(own.length > 50);
        // A partition column and statistics of a text column: both lose rows where they are false.
        const predicates = ["event_date >= '2026-01-01'", `${key} >= ''`, `${key} = '${own[0]}'`];
        const theirs = await readers[reader](join(world.folder, 'tables', name), { predicates });
        assert.equal(theirs.count, own.length);
        assert.deepEqual(theirs.rows.map((row) => String(row[key])).toSorted(), own);
        assert.deepEqual(theirs.matches, [own.length, own.length, own.filter((each) => each === own[0]).length]);
      });
    }
  }
});
