import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, retry, TransientError } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, results, until } from './in-memory-unit.ts';

const MINUTE = 60_000;
const DELAYS = [5 * MINUTE, 10 * MINUTE, 20 * MINUTE, 40 * MINUTE];

/** What the systems before this host put beside a record that had failed, by where they left it. */
const LEFT_BEHIND = {
  'in a topic of one delay': { retry_count: '2', error_category: 'transient' },
  'put back from there': { redelivered_from: 'jobs.retry.10m', retry_count: '2' },
  'in the one retry topic of a domain': {
    trace_id: 'trace-1',
    retry_count: '2',
    scheduled_retry_time: '2026-01-05T14:27:40.118000+00:00',
    retry_delay_seconds: '600',
    target_topic: 'shop.jobs',
    worker_type: 'job_worker',
    original_key: 'a',
    error_category: 'transient',
    domain: 'shop',
  },
  'put back by its scheduler': { redelivered_from: 'retry', retry_count: '2', worker_type: 'w', error_category: 'x', domain: 'shop' },
} as const;

/** The record's first attempt here, which fails; what is written of it. */
async function fail(headers: Readonly<Record<string, string>>) {
  const attempts: number[] = [];
  const definition = defineWorker({
    consumes: jobs,
    produces: [results],
    handle: (_job, { attempt }) => {
      attempts.push(attempt);
      return retry(new TransientError('SHOP_BUSY', 'busy'));
    },
  });
  const unit = new MemoryUnit({ definition, delays: DELAYS });
  await unit.assign();
  const given = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, Buffer.from(value)]));
  unit.deliver([{ key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}'), headers: given }]);
  await until(() => unit.intake.open === 0, 'settled');
  unit.close();
  const [sent, ...others] = unit.producer.sent;
  assert.equal(others.length, 0);
  const own = Object.entries(sent?.headers ?? {}).filter(([name]) => !name.startsWith('ph.'));
  const text = (name: string): string | undefined => sent?.headers?.[name]?.toString();
  return { attempts, sent, given, text, own: Object.fromEntries(own) };
}

describe('a record that an older system left behind', () => {
  for (const [where, headers] of Object.entries(LEFT_BEHIND)) {
    it(`${where} goes on with its count of attempts, and keeps its headers`, async () => {
      const { attempts, sent, given, text, own } = await fail(headers);
      assert.deepEqual(attempts, [3]);
      assert.deepEqual([sent?.topic, sent?.partition, text('ph.attempts')], ['p.w.retry', 3, '3'], 'the third wait');
      assert.deepEqual(own, given);
    });
  }

  it('is dead when its attempts here and there are used up', async () => {
    const { attempts, sent, given, text, own } = await fail({ retry_count: '4', error_category: 'transient' });
    assert.deepEqual([attempts, sent?.topic, text('ph.attempts')], [[5], 'p.dlq', '5']);
    assert.deepEqual(own, given);
  });

  it('as a dead letter and was replayed there begins anew', async () => {
    const { attempts, text } = await fail({ trace_id: 'trace-1', replayed_from_dlq: 'true' });
    assert.deepEqual([attempts, text('ph.attempts')], [[1], '1']);
  });
});
