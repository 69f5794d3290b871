import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, describe, it } from 'node:test';
import type { UnitStatus } from '../../host/src/engine/status.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { AdminClient, adminSettings } from './admin-client.ts';
import { brokerMissing, openTestBroker, type TestBroker } from './brokers.ts';
import { numbers, openRelayWorld } from './relay-world.ts';

/** An HTTP server that answers with 503 while it is broken. */
class Api {
  broken = false;
  asked = 0;
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async open(): Promise<Api> {
    const server = createServer((_request, response) => {
      api.asked++;
      response.writeHead(api.broken ? 503 : 200).end();
    });
    const api = new Api(server);
    await once(server.listen(0, '127.0.0.1'), 'listening');
    return api;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  close(): void {
    this.#server.closeAllConnections();
    this.#server.close();
  }
}

describe('one of two APIs that a worker needs', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  it('fails: the records that need it wait for it, the others go on, and all of them are done in the end', async () => {
    const [one, other] = [await Api.open(), await Api.open()];
    using admin = adminSettings();
    await using world = await openRelayWorld({
      brokers: broker.brokers,
      workers: { relay: { outage: { share: 0.02, keys: 3 }, retry: { delays: ['300ms', '30s'] } } },
      config: { http: admin.http },
    });
    try {
      const host = await world.start();
      const relay = (): UnitStatus => host.status().units.find(({ worker }) => worker === 'relay') as UnitStatus;
      const asks = (n: number): string => `http://${n % 2 === 0 ? one.host : other.host}/`;
      const send = (from: number, count: number): Promise<void> =>
        world.send(numbers(count).map((n) => ({ key: `key ${(from + n) % 80}`, n: from + n, asks: asks(from + n) })));
      await send(0, 40);
      await until('the first to be relayed', async () => (await world.relayed()).length === 40);

      other.broken = true;
      await send(40, 80);
      const even = (count: number): readonly number[] => numbers(count).filter((n) => n % 2 === 0 || n < 40);
      await until('those that need the other one to be relayed', async () => (await world.relayed()).length === 80);
      assert.deepEqual(await world.relayed(), even(120));
      const { retried } = relay().counts;
      assert.ok(retried < 3, `${retried} attempts were burned before it was seen to be an outage`);
      await until('a probe to have failed', () => relay().alerts.some(({ code }) => code === 'PH_DEPENDENCY_HELD'));
      const { asked } = other;
      await send(120, 80);
      await until('what comes later to be relayed too', async () => (await world.relayed()).length === 120);
      assert.deepEqual(await world.relayed(), even(200));
      await until('the rest to wait', () => relay().held[0]?.records === 80 - retried || relay().held[0]?.behind !== 0);
      assert.equal(relay().state.kind, 'working');
      assert.ok(other.asked - asked < 20, `${other.asked - asked} requests: its probes alone ask it`);

      const { body } = await new AdminClient(host.url).ask<{ readonly units: readonly UnitStatus[] }>('/status');
      const [held, ...more] = body.units.find(({ worker }) => worker === 'relay')?.held ?? [];
      assert.deepEqual([held?.dependency, held?.code, held?.postponed, more], [other.host, 'PH_HTTP_SERVER_ERROR', 0, []]);
      assert.equal((held?.records ?? 0) + (held?.behind ?? 0), relay().open);
      assert.equal(relay().counts.dead, 0);

      other.broken = false;
      await world.untilThrough({ timeout: 110_000 });
      assert.deepEqual(await world.relayed(), numbers(200));
      assert.deepEqual(await world.deadLetters(), []);
      const repeated = world.journal().filter(({ attempt }) => attempt > 1);
      assert.ok(new Set(repeated.map(({ n }) => n)).size <= retried, 'only what failed before it was seen to be an outage was an attempt');
      assert.deepEqual([relay().held, relay().counts.retried >= retried], [[], true]);
    } finally {
      one.close();
      other.close();
    }
  });
});
