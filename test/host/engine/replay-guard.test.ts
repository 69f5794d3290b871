import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { ReplayGuard } from '../../../host/src/engine/intake/replay-guard.ts';
import type { KafkaRecord, LocatedRecord, ReadOptions } from '../../../host/src/kafka/driver.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { HEADER } from '../../../host/src/retry/headers.ts';
import { until } from './in-memory-unit.ts';

const LANE = { topic: 'w.retry', partition: 6 };
const record = (offset: number, headers: Record<string, string> = {}): KafkaRecord => ({
  offset,
  timestamp: 0,
  key: null,
  value: null,
  headers,
});
const replay = (offset: number, from: number, id = 'dlq:0:1', count = 1): KafkaRecord =>
  record(offset, { [HEADER.replay]: id, [HEADER.replayCount]: String(count), [HEADER.replayFrom]: String(from) });

/** A guard on a lane that holds these records; `looks` are the ranges it read. */
function guardOf(lane: readonly KafkaRecord[], fail = () => false) {
  const looks: (readonly [number | undefined, number | undefined])[] = [];
  const scan = async ({ from, to }: ReadOptions, visit: (found: LocatedRecord) => void): Promise<void> => {
    const range = [from?.get(LANE.partition), to?.get(LANE.partition)] as const;
    looks.push(range);
    if (fail()) throw new Error('away');
    for (const one of lane) if (one.offset >= (range[0] ?? 0) && one.offset < (range[1] ?? 0)) visit({ ...LANE, ...one });
  };
  const guard = new ReplayGuard(scan, createLogger({ level: 'silent' }));
  const settled = async (given: KafkaRecord): Promise<string> => {
    let verdict = 'unknown';
    await until(() => {
      verdict = guard.verdict(LANE, given);
      return verdict !== 'unknown';
    }, 'a verdict');
    return verdict;
  };
  return { settled, looks };
}

describe('the guard of the lane of replays', () => {
  it('takes a replay that stands where its lane ended for the first one, and does not look', async () => {
    const { settled, looks } = guardOf([]);
    assert.equal(await settled(replay(4, 4)), 'first');
    assert.equal(await settled(record(5)), 'first', 'no replay at all');
    assert.deepEqual(looks, []);
  });

  it('finds the one before it, wherever it stands since the lane ended', async () => {
    const { settled, looks } = guardOf([replay(3, 3), replay(4, 4, 'dlq:0:2'), replay(5, 3)]);
    assert.equal(await settled(replay(5, 3)), 'repeated');
    assert.equal(await settled(replay(5, 3)), 'repeated', 'also when it comes again');
    assert.deepEqual(looks[0], [3, 5]);
  });

  it('takes others, and a replay that was asked for again, for what they are', async () => {
    const { settled } = guardOf([replay(3, 3), replay(4, 3, 'dlq:0:2'), replay(5, 3, 'dlq:0:1', 2)]);
    assert.equal(await settled(replay(4, 3, 'dlq:0:2')), 'first');
    assert.equal(await settled(replay(5, 3, 'dlq:0:1', 2)), 'first');
  });

  it('looks again where the lane could not be read', async () => {
    let failures = 2;
    const { settled, looks } = guardOf([replay(3, 3)], () => failures-- > 0);
    assert.equal(await settled(replay(5, 3)), 'repeated');
    assert.equal(looks.length, 3);
  });
});
