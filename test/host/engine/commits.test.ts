import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { PermanentError } from '@pipeline-host/sdk';
import { decodeAhead } from '../../../host/src/engine/intake/commit-metadata.ts';
import { Commits } from '../../../host/src/engine/intake/commits.ts';
import { PartitionState } from '../../../host/src/engine/intake/partition-state.ts';
import type { CommitAnswer, CommitOffset, CommittedOffset, KafkaConsumer } from '../../../host/src/kafka/driver.ts';
import { until } from './in-memory-unit.ts';

interface World {
  /** What the broker says to a commit. */
  answer?: (offsets: readonly CommitOffset[]) => CommitAnswer | Error;
  /** What the broker has of a commit; all of it by default. */
  keep?: (metadata: string | null) => string | null;
}

/** One partition of ten records, of which some are open, on a broker in memory. */
function world({ answer = () => 'committed', keep = (metadata) => metadata }: World = {}) {
  const state = new PartitionState({ topic: 't', partition: 0, source: 0, lane: null, committed: 0 });
  for (let offset = 0; offset < 10; offset++) state.ledger.deliver(offset);
  const sent: CommitOffset[] = [];
  const released: string[] = [];
  const warnings: string[] = [];
  let stored: CommittedOffset = { topic: 't', partition: 0, offset: null, metadata: null };
  let asked = 0;
  const commits = new Commits({
    log: { debug() {}, info() {}, warn: (_details, message) => void warnings.push(String(message)), error() {} },
    held: () => ({ epoch: 1, partitions: [state] }),
    readBack: async () => {
      asked++;
      return [stored];
    },
    releaseFile: async (uri) => void released.push(uri),
    onCommit() {},
  });
  const commit = async (_epoch: number, offsets: readonly CommitOffset[]): Promise<CommitAnswer> => {
    sent.push(...offsets);
    const said = answer(offsets);
    if (said instanceof Error) throw said;
    for (const { topic, partition, offset, metadata } of offsets) stored = { topic, partition, offset, metadata: keep(metadata ?? null) };
    return said;
  };
  commits.start({ commit } as Partial<KafkaConsumer> as KafkaConsumer);
  return { state, commits, sent, released, warnings, asked: () => asked };
}

const ahead = ({ offset, metadata }: CommitOffset) => decodeAhead(offset, metadata ?? '');

describe('commits', () => {
  it('carry along what is settled above the watermark, and come also where that alone has changed', async (t) => {
    const { state, commits, sent } = world();
    t.after(() => commits.close());
    state.ledger.settle(3);
    await commits.commit();
    state.ledger.settle(4);
    state.ledger.settle(7);
    await commits.commit();
    await commits.commit();
    assert.deepEqual(
      sent.map((one) => [one.offset, ahead(one)]),
      [
        [0, [{ from: 3, to: 4 }]],
        [
          0,
          [
            { from: 3, to: 5 },
            { from: 7, to: 8 },
          ],
        ],
      ],
    );
  });

  it('come on a timer that rests once all is settled and committed, until records are expected again', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    const { state, commits, sent } = world();
    t.after(() => commits.close());
    const beat = async (): Promise<number> => {
      t.mock.timers.tick(100);
      await turn();
      return sent.length;
    };
    assert.equal(await beat(), 0, 'nothing is settled');
    state.ledger.settle(0);
    assert.equal(await beat(), 1, 'it went on while records were open');
    for (let offset = 1; offset < 10; offset++) state.ledger.settle(offset);
    assert.equal(await beat(), 2);
    assert.equal(await beat(), 2);
    state.ledger.deliver(10);
    state.ledger.settle(10);
    assert.equal(await beat(), 2, 'it rests');
    commits.expect();
    assert.equal(await beat(), 3);
  });

  it('are known to be exact once the broker has given their metadata back, and it is asked once', async (t) => {
    const { state, commits, asked } = world();
    t.after(() => commits.close());
    assert.equal(commits.exact, null);
    for (const offset of [3, 4, 5]) {
      state.ledger.settle(offset);
      await commits.commit();
      await until(() => commits.exact === true, 'proven');
    }
    assert.equal(asked(), 1);
  });

  it('go on without metadata on a broker that drops it, and say so once', async (t) => {
    for (const kept of [null, 'ph1:0']) {
      const { state, commits, sent, warnings } = world({ keep: () => kept });
      t.after(() => commits.close());
      state.ledger.settle(3);
      await commits.commit();
      await until(() => commits.exact === false, 'known');
      state.ledger.settle(4);
      await commits.commit();
      assert.equal(sent.length, 1, 'without metadata there was nothing new');
      state.ledger.settle(0);
      await commits.commit();
      assert.deepEqual(sent.at(-1), { topic: 't', partition: 0, offset: 1 });
      assert.equal(warnings.length, 1);
    }
  });

  it('lose no offset to a broker that refuses metadata', async (t) => {
    const answer = ([first]: readonly CommitOffset[]) =>
      first?.metadata === undefined ? 'committed' : new PermanentError('PH_KAFKA_METADATA', 'too large');
    const { state, commits, sent } = world({ answer });
    t.after(() => commits.close());
    state.ledger.settle(0);
    await commits.commit();
    assert.deepEqual(sent.at(-1), { topic: 't', partition: 0, offset: 1 });
    assert.equal(state.committed, 1);
    assert.equal(commits.exact, false);
  });

  it('delete a staged file once its record cannot come again: it is below the watermark, or in metadata that is kept', async (t) => {
    for (const kept of [true, false]) {
      const { state, commits, released } = world({ keep: (metadata) => (kept ? metadata : null) });
      t.after(() => commits.close());
      for (const offset of [2, 5, 6]) state.releaseAfter(offset, `file ${offset}`);
      state.ledger.settle(2);
      await commits.commit();
      await until(() => commits.exact === kept, 'known');
      assert.deepEqual(released, [], 'not known yet, whether the metadata is kept');
      state.ledger.settle(5);
      await commits.commit();
      assert.deepEqual(released, kept ? ['file 2', 'file 5'] : []);
      for (const offset of [0, 1, 3]) state.ledger.settle(offset);
      await commits.commit();
      assert.deepEqual(released, kept ? ['file 2', 'file 5'] : ['file 2']);
    }
  });

  it('come half as often for each time that the broker throttles them, and as often as before once it does no more', async (t) => {
    t.mock.timers.enable({ apis: ['setInterval'] });
    let now = 0;
    t.mock.method(performance, 'now', () => now);
    let throttles = true;
    const { state, commits, sent } = world({ answer: () => (throttles ? 'throttled' : 'committed') });
    t.after(() => commits.close());
    let next = 10;
    /** The times between commits while so many are made. */
    const gaps = async (count: number): Promise<readonly number[]> => {
      const times: number[] = [];
      for (let last = now; times.length < count; ) {
        const before = sent.length;
        state.ledger.deliver(next);
        state.ledger.settle(next++);
        now += 100;
        t.mock.timers.tick(100);
        for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
        if (sent.length > before) {
          times.push(now - last);
          last = now;
        }
      }
      return times;
    };
    assert.deepEqual(await gaps(8), [100, 200, 400, 800, 1_600, 3_200, 3_200, 3_200]);
    throttles = false;
    await gaps(80);
    assert.deepEqual(await gaps(3), [100, 100, 100]);
  });
});
