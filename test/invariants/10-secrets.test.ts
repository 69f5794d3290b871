import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { createLogger, type HostLog } from '../../host/src/observability/logger.ts';
import { headerText } from '../../host/src/retry/headers.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { TOKEN as ADMIN_TOKEN, adminSettings } from '../integration/admin-client.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { openRelayWorld } from '../integration/relay-world.ts';
import { openXactWorld } from '../integration/xact-world.ts';

const TOKEN = 'c0rrect-h0rse-battery-staple';
const SIGNATURE = 'f00dfeedf00dfeedf00dfeedf00dfeed';
const SIGNED_URL = `https://files.example.com/a.pdf?X-Amz-Credential=AKIAEXAMPLE&X-Amz-Signature=${SIGNATURE}`;

/** The host's whole log as text. */
function keepLog(): { readonly log: HostLog; readonly text: () => string } {
  const lines: string[] = [];
  const log = createLogger({ level: 'debug', destination: { write: (line) => void lines.push(line) } });
  return { log, text: () => lines.join('') };
}

/** Everything that a host shows over HTTP. */
async function shown({ url, status }: RunningHost): Promise<string> {
  const pages = await Promise.all(
    ['/metrics', '/health/live', '/health/ready', '/nothing', '/admin/v1/status', '/admin/v1/dead-letters'].map(async (path) =>
      (await fetch(url + path, { headers: { authorization: `Bearer ${ADMIN_TOKEN}` } })).text(),
    ),
  );
  return [...pages, JSON.stringify(status())].join('\n');
}

describe('promise 10: no secret and no signed URL where it is not meant to be', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  const { http, ...settings } = adminSettings();
  before(async () => {
    broker = await openSharedBroker();
  });
  after(async () => {
    await broker.close();
    settings[Symbol.dispose]();
  });

  it('a secret of the config, or a signed URL, that a handler logs and throws is in no log line, metric, status or header', async () => {
    const { log, text: logged } = keepLog();
    await using world = await openRelayWorld({ brokers: broker.brokers, token: TOKEN, config: { http } });
    const host = await world.start({ log });
    const says = `TOKEN refused at ${SIGNED_URL}`;
    await world.send([
      { key: 'a', n: 1, fails: 9, says },
      { key: 'b', n: 2, poison: true, says },
      { key: 'c', n: 3, fails: 1, says },
    ]);
    await until('the given-up ones to be dead letters', async () => (await world.deadLetters()).length === 2);
    const letters = await world.deadLetters();
    const retried = await (await world.cluster()).read({ topic: world.worker('relay').retryTopic });
    const headers = [...letters, ...retried].flatMap((record) =>
      Object.keys(record.headers).map((name) => headerText(record.headers, name) ?? ''),
    );
    assert.match(logged(), /attempt fails/, 'the handler logged');
    assert.ok(
      headers.some((text) => text.includes('refused at')),
      'the reason is told',
    );
    for (const [place, text] of Object.entries({ log: logged(), http: await shown(host), headers: headers.join('\n') })) {
      for (const secret of [TOKEN, SIGNATURE, 'AKIAEXAMPLE', ADMIN_TOKEN])
        assert.ok(!text.includes(secret), `${secret} stands in the ${place}`);
    }
  });

  it('the signatures of xact stand in its messages and xact_events alone', async () => {
    const { log, text: logged } = keepLog();
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 8, messages: 400, config: { http } });
    const host = await world.start({ log });
    await world.publish();
    await world.untilThrough();
    await world.assertSums();
    const results = world.results();
    const columns = Object.keys(world.worker('result-processor').tables[0]?.definition.row.properties ?? {});
    const inventory = await results.rows('xact_attachments', columns);
    assert.ok(inventory.length > 50 && columns.includes('attachment_url'));
    const headers = (await world.deadLetters()).flatMap((letter) =>
      Object.keys(letter.headers).map((name) => headerText(letter.headers, name)),
    );
    const output = await (await world.cluster()).read({ topic: world.topic('downloads.results') });
    const reasons = output.map(({ value }) => (JSON.parse(String(value)) as { error_message: string | null }).error_message);
    const places = {
      log: logged(),
      http: await shown(host),
      headers: headers.join('\n'),
      inventory: JSON.stringify(inventory, (_, value: unknown) => (typeof value === 'bigint' ? String(value) : value)),
      'stored paths': JSON.stringify((await results.files()).map(({ path }) => path)),
      'error messages of results': reasons.join('\n'),
    };
    for (const [place, text] of Object.entries(places)) {
      assert.doesNotMatch(text, /X-Amz-Signature=[0-9a-f]/, place);
      assert.ok(text.length > 0, `${place} is empty`);
    }
    const events = await results.rows('xact_events', ['attachments']);
    assert.ok(
      events.some(({ attachments }) => String(attachments).includes('X-Amz-Signature=')),
      'the events keep what they said',
    );
  });
});
