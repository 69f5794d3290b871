import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { dead, defineWorker, done, output, retry, TransientError, type WorkerDefinition } from '@pipeline-host/sdk';
import { jobs, MemoryUnit, results, until } from './in-memory-unit.ts';

const text = (value: Buffer | string | readonly (Buffer | string)[] | null | undefined): string | undefined => value?.toString();

/** What one job makes the worker write, handled in partition 1 of its source topic or in a lane of that partition. */
async function written(
  handle: NonNullable<WorkerDefinition['handle']>,
  headers: Record<string, string>,
  { lane }: { readonly lane?: number } = {},
) {
  const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, produces: [results], handle: handle as never }) });
  const place = lane === undefined ? { topic: 'p.jobs', partition: 1 } : { topic: 'p.w.retry', partition: 3 + lane };
  await unit.assign([place]);
  unit.deliver([{ key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}'), headers }], place);
  await until(() => unit.intake.open === 0, 'settled');
  unit.close();
  return unit.producer.sent;
}

const busy = () => retry(new TransientError('SHOP_BUSY', 'busy'));

describe('an output', () => {
  it('names its topic and the version of its schema', async () => {
    const [sent] = await written(() => done([output(results, { id: 'a', n: 1 })]), {});
    assert.equal(text(sent?.headers?.['ph.schema']), 'results@1');
  });
});

describe('work that is sent again', () => {
  const again = () => done([output(results, { id: 'a', n: 1 }, { redo: true })]);

  it('goes out the first and the second time, and says which one it is', async () => {
    for (const [before, now] of [
      [undefined, '1'],
      ['1', '2'],
    ] as const) {
      const sent = await written(again, before === undefined ? {} : { 'ph.redo': before });
      assert.deepEqual(
        sent.map(({ topic, headers }) => [topic, text(headers?.['ph.redo'])]),
        [['p.results', now]],
      );
    }
  });

  it('is dead the third time', async () => {
    const sent = await written(again, { 'ph.redo': '2' });
    assert.deepEqual(
      sent.map(({ topic, headers }) => [topic, text(headers?.['ph.error.code'])]),
      [['p.dlq', 'PH_REDO_EXHAUSTED']],
    );
  });
});

describe('a record that fails again', () => {
  const first = '2026-01-02T03:04:05.678Z';
  const failedBefore = { 'ph.attempts': '1', 'ph.first-failed-at': first, 'ph.failed-at': first, 'ph.due-at': '1' };

  it('keeps the time of its first failure, in the next lane and in its dead letter', async () => {
    for (const handle of [busy, () => dead('SHOP_NO', 'never')]) {
      const [copy] = await written(handle, failedBefore, { lane: 1 });
      assert.equal(text(copy?.headers?.['ph.first-failed-at']), first);
      assert.notEqual(text(copy?.headers?.['ph.failed-at']), first);
    }
  });

  it('stays with the source partition that its key is from', async () => {
    const [copy] = await written(busy, failedBefore, { lane: 1 });
    assert.deepEqual([copy?.topic, copy?.partition], ['p.w.retry', 3 + 2]);
    // Partition 4 of the retry topic is an even one, its source is not.
    const [letter] = await written(() => dead('SHOP_NO', 'never'), failedBefore, { lane: 1 });
    assert.deepEqual([letter?.topic, letter?.partition], ['p.dlq', 1]);
  });

  it('does not carry along what onDead said of an earlier death', async () => {
    const [copy] = await written(busy, { 'ph.error.on-dead': 'no' });
    assert.equal(copy?.topic, 'p.w.retry');
    assert.equal('ph.error.on-dead' in (copy?.headers ?? {}), false);
  });
});
