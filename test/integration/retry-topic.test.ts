import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { unique } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openPipeline } from './pipeline.ts';

const TWINS = fileURLToPath(new URL('./fixtures/twins', import.meta.url));
const RECORDS = 120;

interface Handled {
  readonly n: number;
  readonly by: string;
  readonly attempt: number;
}

describe('one retry topic for all workers of a plugin, where topics and partitions are scarce', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('has as many lane sets as there is room for; each worker takes its own retries, each record once', async () => {
    const outage = { outage: { share: 1 } };
    await using pipeline = await openPipeline({
      brokers: broker.brokers,
      plugin: 'twins',
      root: TWINS,
      settings: { prefix: unique('twins'), retry: { topology: 'plugin' }, workers: { first: outage, second: outage } },
      config: { kafka: { partitions: 12, maxPartitions: 32 } },
    });
    const [first, second] = [pipeline.worker('first'), pipeline.worker('second')];
    assert.equal(first.retryTopic, second.retryTopic);
    await pipeline.start({ count: 2 });
    const producer = await pipeline.producer();
    await producer.sendAll(
      Array.from({ length: RECORDS }, (_, n) => {
        const message = { key: `key ${n % 40}`, n, fails: n % 4 };
        return { topic: first.consumes?.topic ?? '', key: message.key, value: JSON.stringify(message) };
      }),
    );
    await pipeline.untilThrough();

    const retries = (await (await pipeline.admin()).describeTopics([first.retryTopic])).get(first.retryTopic);
    assert.equal(retries?.partitions, 10 * 3, 'lanes for replays, 200 ms and 500 ms');
    const topic = first.produces.get('handled')?.topic ?? '';
    const handled = (await (await pipeline.cluster()).read({ topic })).map(({ value }) => JSON.parse(String(value)) as Handled);
    for (const [worker, delays] of [
      ['first', 1],
      ['second', 2],
    ] as const) {
      const mine = handled.filter(({ by }) => by === worker).map(({ n, attempt }) => `${n}: ${attempt}`);
      const expected = Array.from({ length: RECORDS }, (_, n) => n).filter((n) => n % 4 <= delays);
      assert.deepEqual(mine.toSorted(), expected.map((n) => `${n}: ${(n % 4) + 1}`).toSorted());
    }
    const letters = await pipeline.deadLetters();
    assert.equal(letters.length, RECORDS / 2 + RECORDS / 4);
  });
});
