import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { openBrokerProcess } from '../integration/broker-process.ts';
import { brokerKind, brokerMissing, type TestBroker } from '../integration/brokers.ts';
import { numbers, openRelayWorld } from '../integration/relay-world.ts';

const SEED = Number(process.env['PH_SEED'] ?? 1);
const KILLS = 6;
const RECORDS = 1_500;

/** Numbers below a limit that follow from the seed. */
function seeded(seed: number): (limit: number) => number {
  let state = seed >>> 0 || 1;
  return (limit) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % limit;
  };
}

describe('promise 1: no accepted record is lost, whichever process dies at whichever point', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openBrokerProcess();
  });
  after(() => broker.close());

  it(`when workers and the broker are killed at random points (PH_SEED=${SEED})`, { skip: brokerKind() === 'external' }, async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, config: { kafka: { sessionTimeout: '2s' } } });
    const random = seeded(SEED);
    const isPoison = (n: number): boolean => n % 97 === 0;
    const messages = numbers(RECORDS).map((n) => ({
      key: `key ${n % 50}`,
      n,
      ms: random(30),
      fails: n % 13 === 0 ? 1 : 0,
      poison: isPoison(n),
    }));
    const processes = await Promise.all([world.spawn(['relay', 'recorder', 'keeper']), world.spawn(['relay', 'recorder', 'keeper'])]);
    const sending = (async () => {
      for (let at = 0; at < RECORDS; at += 50) await world.send(messages.slice(at, at + 50));
    })();

    const handled = (): number => new Set(world.journal().map(({ n }) => n)).size;
    for (let kill = 1; kill <= KILLS; kill++) {
      const point = Math.floor((RECORDS * (kill - 1 + random(1_000) / 1_000)) / KILLS);
      await until(`${point} records to be handled`, () => handled() >= point);
      if (kill === KILLS / 2) {
        await broker.kill();
        await broker.restart();
      } else {
        const index = random(processes.length);
        await processes[index]?.kill('SIGKILL');
        processes[index] = await world.spawn(['relay', 'recorder', 'keeper']);
      }
    }
    await sending;
    await world.untilThrough();

    const given = (await world.deadLetters()).map(({ value }) => (JSON.parse(String(value)) as { n: number }).n);
    assert.deepEqual(
      [...new Set(given)].toSorted((a, b) => a - b),
      numbers(RECORDS).filter(isPoison),
    );
    const good = numbers(RECORDS).filter((n) => !isPoison(n));
    assert.deepEqual([...new Set(await world.relayed())], good);
    assert.deepEqual(await world.numbersIn('relay_log'), numbers(RECORDS));
    assert.deepEqual(await world.numbersIn('relay_latest'), good);
  });
});
