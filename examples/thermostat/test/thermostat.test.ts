import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startTestHost, testWorker } from 'pipeline-host/testing';
import thermostat, { alarms, readings, watcher } from '../src/index.ts';

const at = '2026-01-05T10:00:00Z';

test('a room above the limit raises an alarm', async () => {
  await using tested = testWorker(watcher, { plugin: thermostat, config: { limit: 30 } });
  const { sentTo } = await tested.handle({ room: 'sauna', celsius: 81, at });
  assert.deepEqual(sentTo(alarms), [{ room: 'sauna', celsius: 81, since: at }]);
  assert.equal((await tested.handle({ room: 'kitchen', celsius: 30, at })).reason, 'not too hot');
  assert.equal((await tested.handle({ room: 'kitchen', celsius: 'warm', at })).code, 'PH_MESSAGE_INVALID');
});

test('readings and alarms end in their tables; since when a room is too hot is kept', async () => {
  await using host = await startTestHost({ plugins: [thermostat] });
  await host.send(readings, { room: 'sauna', celsius: 81, at });
  await host.settled();
  await host.sendAll(readings, [
    { room: 'sauna', celsius: 84.5, at: '2026-01-05T10:05:00Z' },
    { room: 'kitchen', celsius: 21.5, at },
  ]);
  await host.settled();
  assert.equal((await host.rows('thermostat_readings')).length, 3);
  assert.deepEqual(await host.rows('thermostat_alarms'), [{ room: 'sauna', celsius: 84.5, since: '2026-01-05T10:00:00.000000Z' }]);
});
