import assert from 'node:assert/strict';
import { test } from 'node:test';
import thermostat, { readings } from '@pipeline-host/example-thermostat';
import { startTestHost, testWorker } from 'pipeline-host/testing';
import plugin, { alarms, pager, pages } from '../src/index.ts';

const duty = { sauna: 'Aino' };

test('an alarm pages whoever is on duty, in degrees that they know', async () => {
  await using tested = testWorker(pager, { config: { duty } });
  const { sentTo } = await tested.handle('{"room":"sauna","celsius":81,"since":"2026-01-05T10:00:00Z"}');
  assert.deepEqual(sentTo(pages), [{ to: 'Aino', text: 'sauna: 178 °F since 2026-01-05T10:00:00Z' }]);
  assert.equal((await tested.handle('{"room":"attic","celsius":40,"since":"2026-01-05T10:00:00Z"}')).reason, 'nobody on duty');
  assert.equal((await tested.handle('{"room":"sauna","celsius":"hot","since":"2026-01-05T10:00:00Z"}')).code, 'PH_MESSAGE_UNREADABLE');
});

test("the other plugin's alarms are pages at the end", async () => {
  await using host = await startTestHost({ plugins: [thermostat, plugin], config: { plugins: { pager: { config: { duty } } } } });
  await host.send(readings, { room: 'sauna', celsius: 81, at: '2026-01-05T10:00:00Z' });
  await host.settled();
  assert.deepEqual(await host.messages(alarms), [{ room: 'sauna', fahrenheit: 178, since: '2026-01-05T10:00:00Z' }]);
  assert.deepEqual(await host.messages(pages), [{ to: 'Aino', text: 'sauna: 178 °F since 2026-01-05T10:00:00Z' }]);
});
