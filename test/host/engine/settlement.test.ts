import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  dead,
  defineWorker,
  done,
  type Outcome,
  type Output,
  output,
  PermanentError,
  retry,
  skip,
  TransientError,
} from '@pipeline-host/sdk';
import { jobs, MemoryUnit, results, until } from './in-memory-unit.ts';

/** Enough turns for everything that can happen without a timer. */
async function settleDown(): Promise<void> {
  for (let count = 0; count < 20; count++) await new Promise((resolve) => setImmediate(resolve));
}

describe('a dead record', () => {
  it('is settled when its dead letter is acknowledged, and no sooner', async () => {
    for (const handle of [() => dead('SHOP_NO', 'never'), () => Promise.reject(new PermanentError('SHOP_BAD', 'bad'))]) {
      const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle }) });
      unit.producer.holding = true;
      await unit.assign();
      unit.deliverJobs([{ id: 'a', n: 0 }]);
      await until(() => unit.producer.sent.length === 1, 'the dead letter is on its way');
      await settleDown();
      assert.equal(unit.intake.open, 1);
      assert.equal(await unit.committedOffset(), 0);
      unit.producer.acknowledge();
      await until(() => unit.intake.open === 0, 'settled');
      assert.equal(await unit.committedOffset(), 1);
      unit.close();
    }
  });

  it('has its dead letter written only when what onDead sends is acknowledged', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: () => dead('SHOP_NO', 'never'),
        onDead: (job) => [output(results, job)],
      }),
    });
    unit.producer.holding = true;
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.producer.sent.length === 1, 'the output is on its way');
    await settleDown();
    assert.deepEqual(
      unit.producer.sent.map(({ topic }) => topic),
      ['p.results'],
    );
    unit.producer.acknowledge();
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(
      unit.producer.sent.map(({ topic }) => topic),
      ['p.results', 'p.dlq'],
    );
    unit.close();
  });

  it('waits where its dead letter cannot be written, and the worker fails', async () => {
    const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle: () => dead('SHOP_NO', 'never') }) });
    unit.producer.fail = () => new PermanentError('PH_MESSAGE_TOO_LARGE', 'too large');
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.fatal !== undefined, 'failed');
    await settleDown();
    assert.equal(unit.intake.open, 1);
    assert.equal(await unit.committedOffset(), 0);
    unit.close();
  });

  it('has onDead tried three times', async () => {
    let calls = 0;
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: () => dead('SHOP_NO', 'never'),
        onDead: (job) => {
          if (++calls < 3) throw new Error('not yet');
          return [output(results, job)];
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(calls, 3);
    assert.deepEqual(
      unit.producer.sent.map(({ topic, headers }) => [topic, headers?.['ph.error.on-dead']]),
      [
        ['p.results', undefined],
        ['p.dlq', undefined],
      ],
    );
    unit.close();
  });
});

describe('a record whose partition was lost while it was handled', () => {
  for (const [what, outcome] of [
    ['outputs', done([output(results, { id: 'a', n: 0 })])],
    ['a retry', retry(new TransientError('SHOP_BUSY', 'busy'))],
    ['a dead letter', dead('SHOP_NO', 'never')],
  ] as const) {
    it(`sends nothing any more: ${what}`, async () => {
      let finish = (_outcome: Outcome<Output<'results'>>): void => {};
      const unit = new MemoryUnit({
        definition: defineWorker({
          consumes: jobs,
          produces: [results],
          handle: () => new Promise<Outcome<Output<'results'>>>((resolve) => (finish = resolve)),
        }),
      });
      await unit.assign();
      unit.deliverJobs([{ id: 'a', n: 0 }]);
      unit.lose();
      finish(outcome);
      await settleDown();
      assert.deepEqual(unit.producer.sent, []);
      unit.close();
    });
  }

  it('sends nothing any more where onDead was still at work', async () => {
    let finish = (): void => {};
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: () => dead('SHOP_NO', 'never'),
        onDead: (job) => new Promise((resolve) => (finish = () => resolve([output(results, job)]))),
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await settleDown();
    unit.lose();
    finish();
    await settleDown();
    assert.deepEqual(unit.producer.sent, []);
    unit.close();
  });

  it('fails nobody when the broker refuses what it had sent', async () => {
    let refuse = (_error: Error): void => {};
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, produces: [results], handle: (job) => done([output(results, job)]) }),
    });
    unit.producer.send = () => new Promise((_resolve, reject) => (refuse = reject));
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await settleDown();
    unit.lose();
    refuse(new TransientError('PH_KAFKA_SEND', 'the producer is closed'));
    await settleDown();
    assert.equal(unit.fatal, undefined);
    unit.close();
  });
});

describe('records of an assignment that is over', () => {
  it('are not handled where the driver delivers them after the next assignment', async () => {
    const seen: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job) => {
          seen.push(job.n);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.lose();
    await unit.assign([{ topic: 'p.jobs', partition: 0, committed: 5 }]);
    const records = [7, 8].map((n) => ({
      offset: n,
      timestamp: 0,
      key: Buffer.from('a'),
      value: Buffer.from(`{"id":"a","n":${n}}`),
      headers: {},
    }));
    // Offsets 5 and 6 are still to come: accepting these would skip them.
    unit.intake.receive({ topic: 'p.jobs', partition: 0, epoch: 1, highWatermark: 9, lastOffset: 8, records });
    await settleDown();
    assert.deepEqual(seen, []);
    assert.deepEqual(await unit.committedOffset(), 0);
    unit.close();
  });
});

describe('a staged file', () => {
  it('is kept while the offset of its record is only the one to begin at', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job, { staging }) => {
          staging.release(`staging://x/${job.n}`);
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    let open = (): void => {};
    unit.commitGate = new Promise((resolve) => {
      open = resolve;
    });
    const committed = unit.intake.commit();
    await until(() => unit.commitCalls === 1, 'the commit of offset 1 is on its way');
    unit.deliverJobs([{ id: 'a', n: 1 }]);
    open();
    await committed;
    // Offset 1 is committed: after a crash record 1 is read again, and needs its file.
    assert.deepEqual(unit.released, ['staging://x/0']);
    await unit.intake.commit();
    assert.deepEqual(unit.released, ['staging://x/0', 'staging://x/1']);
    unit.close();
  });

  it('is deleted too where its record was skipped', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (_job, { staging }) => {
          staging.release('staging://x/0');
          return skip('seen before');
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.intake.open === 0, 'settled');
    await unit.intake.commit();
    assert.deepEqual(unit.released, ['staging://x/0']);
    unit.close();
  });
});

describe('a skipped record', () => {
  it('may have outputs, and is settled as skipped when they are acknowledged', async () => {
    const unit = new MemoryUnit({
      definition: defineWorker({ consumes: jobs, produces: [results], handle: (job) => skip('not ours', [output(results, job)]) }),
    });
    unit.producer.holding = true;
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.producer.sent.length === 1, 'the output is on its way');
    await settleDown();
    assert.deepEqual([unit.producer.sent[0]?.topic, unit.intake.open], ['p.results', 1]);
    unit.producer.acknowledge();
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([unit.intake.tally.skipped, unit.intake.tally.done, await unit.committedOffset()], [1, 0, 1]);
    unit.close();
  });

  it('is one also by a plugin whose SDK knew of no outputs there', async () => {
    const handle = () => ({ kind: 'skip', reason: 'not ours' }) as unknown as Outcome<never>;
    const unit = new MemoryUnit({ definition: defineWorker({ consumes: jobs, handle }) });
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 0 }]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.equal(unit.intake.tally.skipped, 1);
    unit.close();
  });
});

describe('onAcknowledged calls back', () => {
  it('when the outputs are acknowledged, and no sooner', async () => {
    const told: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        produces: [results],
        handle: (job, { onAcknowledged }) => {
          onAcknowledged(() => told.push(job.n));
          return done([output(results, job)]);
        },
      }),
    });
    unit.producer.holding = true;
    await unit.assign();
    unit.deliverJobs([{ id: 'a', n: 7 }]);
    await until(() => unit.producer.sent.length === 1, 'the output is on its way');
    await settleDown();
    assert.deepEqual(told, []);
    unit.producer.acknowledge();
    await until(() => told.length > 0, 'told');
    assert.deepEqual([told, unit.intake.open], [[7], 0]);
    unit.close();
  });

  it('at once where there is nothing to send, and a callback that fails harms nobody', async () => {
    const told: number[] = [];
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: (job, { onAcknowledged }) => {
          onAcknowledged(() => {
            throw new Error('oh');
          });
          onAcknowledged(() => told.push(job.n));
          return done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs([
      { id: 'a', n: 0 },
      { id: 'b', n: 1 },
    ]);
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual([told, unit.fatal], [[0, 1], undefined]);
    unit.close();
  });

  it('never for a record that is skipped, retried or dead', async () => {
    const told: string[] = [];
    const outcomes: Readonly<Record<string, Outcome<never>>> = {
      skip: skip('not ours'),
      retry: retry(new TransientError('SHOP_BUSY', 'busy')),
      dead: dead('SHOP_NO', 'never'),
    };
    const unit = new MemoryUnit({
      definition: defineWorker({
        consumes: jobs,
        handle: ({ id }, { onAcknowledged }) => {
          onAcknowledged(() => told.push(id));
          return outcomes[id] ?? done();
        },
      }),
    });
    await unit.assign();
    unit.deliverJobs(['skip', 'retry', 'dead', 'done'].map((id, n) => ({ id, n })));
    await until(() => unit.intake.open === 0, 'settled');
    assert.deepEqual(told, ['done']);
    unit.close();
  });
});
