import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  AuthError,
  dead,
  defineWorker,
  done,
  output,
  PermanentError,
  retry,
  skip,
  TransientError,
  UnavailableError,
} from '@pipeline-host/sdk';
import fc from 'fast-check';
import { jobs, MemoryUnit, results, until } from './in-memory-unit.ts';

const text = (value: Buffer | string | readonly (Buffer | string)[] | null | undefined): string | undefined => value?.toString();

describe('handlers in lanes', () => {
  it('handles the records of a key one at a time and in order, many keys at once, and never more than the concurrency', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(fc.integer({ min: 0, max: 5 }), fc.integer({ min: 0, max: 3 })), { maxLength: 80 }),
        fc.integer({ min: 1, max: 6 }),
        async (work, concurrency) => {
          const running = new Set<string>();
          const order = new Map<string, number[]>();
          let most = 0;
          const unit = new MemoryUnit({
            concurrency,
            definition: defineWorker({
              consumes: jobs,
              handle: async (job) => {
                assert.equal(running.has(job.id), false, `two records of ${job.id} at once`);
                running.add(job.id);
                most = Math.max(most, running.size);
                for (let turn = 0; turn < (work[job.n]?.[1] ?? 0); turn++) await new Promise((resolve) => setImmediate(resolve));
                running.delete(job.id);
                order.set(job.id, [...(order.get(job.id) ?? []), job.n]);
                return done();
              },
            }),
          });
          await unit.assign();
          unit.deliverJobs(work.map(([key], n) => ({ id: `k${key}`, n })));
          await until(() => unit.intake.open === 0, 'all settled');
          for (const [key, seen] of order)
            assert.deepEqual(
              seen,
              work.flatMap(([k], n) => (`k${k}` === key ? [n] : [])),
            );
          assert.ok(most <= concurrency);
          assert.equal(await unit.committedOffset(), work.length);
          unit.close();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('runs records without a key as they come', async () => {
    const open: (() => void)[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => open.push(() => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliver([1, 2, 3].map((n) => ({ value: Buffer.from(JSON.stringify({ id: 'same', n })) })));
    await until(() => open.length === 3, 'three at once');
    for (const finish of open) finish();
    await until(() => unit.intake.open === 0, 'settled');
    unit.close();
  });

  it('starts nothing while Kafka refuses what it would send, and goes on when it does not', async () => {
    const started: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: (job) => {
          started.push(job.n);
          return done([output(results, job)]);
        },
      }),
    });
    await unit.assign();
    unit.producer.refused = new AuthError('PH_KAFKA_ACL', 'may not write p.results');
    unit.deliverJobs([1, 2].map((n) => ({ id: 'k', n })));
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual(started, []);
    unit.producer.refused = null;
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(started, [1, 2]);
    unit.close();
  });

  it('does not let a hot key starve others', async () => {
    const seen: string[] = [];
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const unit = new MemoryUnit({
      concurrency: 2,
      definition: defineWorker({
        consumes: jobs,
        handle: async (job) => {
          if (job.id === 'hot') await gate;
          seen.push(job.id);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      ...Array.from({ length: 50 }, (_, n) => ({ id: 'hot', n })),
      ...Array.from({ length: 5 }, (_, n) => ({ id: `cold${n}`, n })),
    ]);
    await until(() => seen.length === 5, 'the cold keys are through');
    assert.ok(seen.every((id) => id.startsWith('cold')));
    release();
    await until(() => unit.intake.open === 0, 'settled');
    unit.close();
  });

  it('settles a record only when its outputs are acknowledged', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, produces: [results], handle: (job) => done([output(results, job)]) }),
    });
    unit.producer.holding = true;
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ]);
    await until(() => unit.producer.sent.length === 2, 'sent');
    assert.equal(await unit.committedOffset(), 0);
    unit.producer.acknowledge();
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(await unit.committedOffset(), 2);
    const [first] = unit.producer.sent;
    assert.equal(first?.topic, 'p.results');
    assert.equal(first?.key, 'a');
    assert.match(text(first?.headers?.['ph.id']) ?? '', /^[0-9a-f]{32}$/);
    unit.close();
  });

  it('gives an output the same identity when its source is handled again', async () => {
    const ids: (string | undefined)[] = [];
    for (let run = 0; run < 2; run++) {
      const unit = new MemoryUnit({
        definition: defineWorker({
          consumes: jobs,
          produces: [results],
          handle: (job) => done([output(results, job), output(results, job)]),
        }),
      });
      await unit.assign();
      unit.deliverJobs([{ id: 'a', n: 1 }]);
      await until(() => unit.producer.sent.length === 2, 'sent');
      ids.push(...unit.producer.sent.map((sent) => text(sent.headers?.['ph.id'])));
      unit.close();
    }
    assert.equal(ids[0], ids[2]);
    assert.equal(ids[1], ids[3]);
    assert.notEqual(ids[0], ids[1]);
  });

  it('puts a failed record into the delay lane of its source partition, byte for byte, and settles it then', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: () => {
          throw new TransientError('SHOP_BUSY', 'try later?sig=abc');
        },
      }),
    });
    await unit.assign([{ topic: 'p.jobs', partition: 1 }]);
    const value = Buffer.from('{"id":"a",  "n":1, "unknown":true}');
    unit.deliver([{ key: Buffer.from('a'), value, headers: { mine: Buffer.from('1') } }], { partition: 1 });
    await until(() => unit.intake.open === 0, 'settled');
    const [copy] = unit.producer.sent;
    assert.equal(copy?.topic, 'p.w.retry');
    assert.equal(copy?.partition, 1 * 3 + 1);
    assert.equal(copy?.value, value);
    assert.deepEqual(copy?.headers?.['mine'], Buffer.from('1'));
    assert.equal(copy?.headers?.['ph.attempts'], '1');
    assert.equal(copy?.headers?.['ph.origin.topic'], 'p.jobs');
    assert.equal(copy?.headers?.['ph.error.code'], 'SHOP_BUSY');
    const wait = Number(copy?.headers?.['ph.due-at']) - Date.now();
    assert.ok(wait > 500 && wait <= 1_000, `due in ${wait} ms`);
    assert.equal(unit.intake.tally.retried, 1);
    unit.close();
  });

  it('makes a record dead after its last attempt, with what onDead sends acknowledged first', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: () => retry(new TransientError('SHOP_BUSY', 'busy')),
        onDead: (job, failure) => [output(results, { id: job.id, n: failure.attempts })],
      }),
    });
    await unit.assign([{ topic: 'p.w.retry', partition: 2 }]);
    unit.deliver(
      [
        {
          key: Buffer.from('a'),
          value: Buffer.from('{"id":"a","n":1}'),
          headers: { 'ph.attempts': '2', 'ph.due-at': '1', 'ph.origin.topic': 'p.jobs', 'ph.origin.offset': '77' },
        },
      ],
      {
        topic: 'p.w.retry',
        partition: 2,
      },
    );
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      unit.producer.sent.map((sent) => [sent.topic, text(sent.value)]),
      [
        ['p.results', '{"id":"a","n":3}'],
        ['p.dlq', '{"id":"a","n":1}'],
      ],
    );
    const headers = unit.producer.sent[1]?.headers ?? {};
    assert.equal(headers['ph.attempts'], '3');
    assert.equal(headers['ph.origin.offset'], '77');
    assert.equal(headers['ph.worker'], 'w');
    assert.equal(headers['ph.plugin.version'], '1.2.3');
    assert.equal('ph.due-at' in headers, false);
    unit.close();
  });

  it('makes unreadable, refused and permanently failing records dead at once, their bytes unchanged', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          if (job.n === 1) return dead('SHOP_NO', 'never');
          if (job.n === 2) throw new PermanentError('SHOP_BAD', 'bad');
          return skip('rest');
        },
      }),
    });
    await unit.assign();
    const garbage = Buffer.from([0xff, 0x00]);
    unit.deliver([
      { value: garbage },
      { value: null },
      ...[1, 2, 3].map((n) => ({ key: Buffer.from('k'), value: Buffer.from(JSON.stringify({ id: 'k', n })) })),
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      unit.producer.sent.map((sent) => [sent.headers?.['ph.error.code'], sent.headers?.['ph.stage']]),
      [
        ['PH_MESSAGE_UNREADABLE', 'decode'],
        ['PH_MESSAGE_UNREADABLE', 'decode'],
        ['SHOP_NO', 'handle'],
        ['SHOP_BAD', 'handle'],
      ],
    );
    assert.equal(unit.producer.sent[0]?.value, garbage);
    assert.equal(unit.producer.sent[1]?.value, null);
    assert.deepEqual({ ...unit.intake.tally }, { received: 5, done: 0, skipped: 1, retried: 0, dead: 4 });
    unit.close();
  });

  it('turns an outcome that is none, and an output that does not fit, into a dead letter', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: (job) => (job.n === 1 ? (undefined as never) : done([output(results, { id: '', n: 1 })])),
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      unit.producer.sent.map((sent) => sent.headers?.['ph.error.code']),
      ['PH_HANDLER_OUTCOME', 'PH_OUTPUT_INVALID'],
    );
    unit.close();
  });

  it('pauses on an unavailable dependency, burns no attempt, probes with one record and goes on', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'setInterval'] });
    let down = true;
    let calls = 0;
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: async () => {
          calls++;
          if (down) throw new UnavailableError('SHOP_DOWN', 'down');
          return done();
        },
      }),
      concurrency: 3,
    });
    await unit.assign();
    unit.deliverJobs(Array.from({ length: 40 }, (_, n) => ({ id: `k${n}`, n })));
    await until(() => unit.pause?.code === 'SHOP_DOWN' && calls >= 10, 'paused');
    for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
    assert.ok(calls <= 12, `${calls} calls: ten in a row, and what was in work`);
    const before = calls;
    t.mock.timers.tick(1_250);
    await until(() => calls === before + 2, 'a probe, and a new record that might need something else');
    await new Promise((resolve) => setImmediate(resolve));
    down = false;
    t.mock.timers.tick(2_500);
    await until(() => unit.intake.tally.done > 20, 'what has not failed yet');
    await until(() => {
      t.mock.timers.tick(100);
      return unit.intake.open === 0;
    }, 'all through');
    assert.equal(unit.pause, null);
    assert.equal(unit.producer.sent.length, 0);
    assert.equal(unit.intake.tally.done, 40);
    unit.close();
  });

  it('retries a record whose handler ignores its deadline, and drops what it says later', async () => {
    const late: (() => void)[] = [];
    const aborted: boolean[] = [];
    const unit = new MemoryUnit({
      timeout: 40,
      definition: defineWorker({
        consumes: jobs,
        handle: (job, ctx) => {
          if (job.n > 0) return done();
          ctx.signal.addEventListener('abort', () => aborted.push(true));
          return new Promise((resolve) => late.push(() => resolve(done())));
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'a', n: 1 },
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(aborted, [true]);
    for (const resolve of late) resolve();
    await new Promise((resolve) => setImmediate(resolve));
    assert.deepEqual({ ...unit.intake.tally }, { received: 2, done: 1, skipped: 0, retried: 1, dead: 0 });
    assert.equal(unit.producer.sent[0]?.headers?.['ph.error.code'], 'PH_HANDLER_TIMEOUT');
    unit.close();
  });

  it('gives a batch handler runs of each key, and settles each message by its own outcome', async () => {
    const batches: number[][] = [];
    const unit = new MemoryUnit({
      concurrency: 1,
      definition: defineWorker({
        consumes: jobs,
        handleBatch: async (items) => {
          batches.push(items.map((item) => item.message.n));
          await new Promise((resolve) => setImmediate(resolve));
          return items.map((item) => (item.message.n === 3 ? dead('SHOP_NO', 'three') : done()));
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs(Array.from({ length: 25 }, (_, n) => ({ id: `k${n % 2}`, n })));
    await until(() => unit.intake.open === 0, 'settled');
    for (const key of [0, 1]) {
      const seen = batches.flat().filter((n) => n % 2 === key);
      assert.deepEqual(
        seen,
        seen.toSorted((a, b) => a - b),
      );
    }
    assert.equal(batches.flat().length, 25);
    assert.ok(batches.length < 10, `${batches.length} batches`);
    assert.equal(unit.intake.tally.dead, 1);
    unit.close();
  });
});

describe('intake', () => {
  it('hands a partition over only when everything started is settled and committed, and starts nothing else', async () => {
    let release = (): void => {};
    const gate = new Promise<void>((resolve) => {
      release = resolve;
    });
    const started: number[] = [];
    const unit = new MemoryUnit({
      concurrency: 2,
      definition: defineWorker({
        consumes: jobs,
        handle: async (job) => {
          started.push(job.n);
          await gate;
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'a', n: 1 },
      { id: 'b', n: 2 },
      { id: 'c', n: 3 },
    ]);
    assert.deepEqual(started, [0, 2]);
    const revoked = unit.intake.revoke();
    release();
    await revoked;
    // 1 lies below the highest started offset: it runs too, so that nothing above the commit was handled.
    assert.deepEqual(started, [0, 2, 1]);
    assert.equal(unit.commits.at(-1)?.offset, 3);
    unit.close();
  });

  it('changes nothing for a partition that was lost', async () => {
    let finish = (): void => {};
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => (finish = () => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    unit.intake.lose();
    await unit.assign();
    finish();
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(await unit.committedOffset(), 0);
    assert.equal(unit.intake.tally.done, 0);
    unit.close();
  });

  it('pauses every partition above the byte budget and resumes when half is free', async () => {
    const open: (() => void)[] = [];
    const unit = new MemoryUnit({
      byteBudget: 2_000,
      concurrency: 100,
      definition: defineWorker({ consumes: jobs, handle: () => new Promise((resolve) => open.push(() => resolve(done()))) }),
    });
    await unit.assign();
    unit.deliverJobs(Array.from({ length: 20 }, (_, n) => ({ id: `k${n}`, n })));
    assert.deepEqual([...unit.paused], ['p.jobs/0']);
    for (const finish of open) finish();
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([...unit.paused], []);
    unit.close();
  });

  it('waits in a lane until its head is due, holding nothing', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle: () => done() }), delays: [10_000] });
    const lane = { topic: 'p.w.retry', partition: 1 };
    await unit.assign([lane]);
    const record = { key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}'), headers: { 'ph.due-at': '1005000' } };
    unit.deliver([record], lane);
    assert.equal(unit.intake.open, 0);
    assert.deepEqual(unit.seeks, [{ ...lane, offset: 0 }]);
    assert.deepEqual([...unit.paused], ['p.w.retry/1']);
    t.mock.timers.tick(4_999);
    assert.deepEqual([...unit.paused], ['p.w.retry/1']);
    t.mock.timers.tick(1);
    assert.deepEqual([...unit.paused], []);
    unit.close();
  });

  it('waits no longer than the lane does, whatever due time a record claims', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: 1_000_000 });
    const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle: () => done() }), delays: [2_000] });
    const lane = { topic: 'p.w.retry', partition: 1 };
    await unit.assign([lane]);
    const record = { offset: 0, key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}'), headers: { 'ph.due-at': '99999999999999' } };
    unit.deliver([record], lane);
    t.mock.timers.tick(2_000);
    assert.deepEqual([...unit.paused], []);
    unit.deliver([record], lane);
    await until(() => unit.intake.tally.done === 1, 'handled');
    unit.close();
  });

  it('believes headers of the host only on records of a retry topic', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, handle: () => retry(new TransientError('SHOP_BUSY', 'busy')) }),
    });
    await unit.assign();
    unit.deliver([
      {
        key: Buffer.from('a'),
        value: Buffer.from('{"id":"a","n":1}'),
        headers: { 'ph.attempts': '999', 'ph.origin.topic': 'elsewhere', 'ph.redo': '99' },
      },
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    const [copy] = unit.producer.sent;
    assert.equal(copy?.topic, 'p.w.retry');
    assert.equal(copy?.headers?.['ph.attempts'], '1');
    assert.equal(copy?.headers?.['ph.origin.topic'], 'p.jobs');
    unit.close();
  });

  it('deletes a staged file only when the offset of its record is committed', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job, ctx) => {
          ctx.staging.release(`staging://x/${job.n}`);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 7 }]);
    assert.deepEqual(unit.released, []);
    assert.equal(await unit.committedOffset(), 1);
    assert.deepEqual(unit.released, ['staging://x/7']);
    unit.close();
  });

  it('drops records that come twice after a pause', async () => {
    let calls = 0;
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: () => {
          calls++;
          return done();
        },
      }),
    });
    await unit.assign();
    const record = { key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}') };
    unit.deliver([record]);
    unit.intake.receive({
      topic: 'p.jobs',
      partition: 0,
      epoch: 1,
      highWatermark: 1,
      lastOffset: 0,
      records: [{ offset: 0, timestamp: 0, headers: {}, ...record }],
    });
    assert.equal(calls, 1);
    unit.close();
  });
});
