import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { describe, it } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import {
  dead,
  defineWorker,
  done,
  type Output,
  output,
  PermanentError,
  retry,
  TransientError,
  type WorkerDefinition,
} from '@pipeline-host/sdk';
import type { Payload } from '../../../host/src/dlq/payloads.ts';
import type { OutgoingRecord } from '../../../host/src/kafka/driver.ts';
import { jobs, MemoryUnit, type MemoryUnitOptions, results, until } from './in-memory-unit.ts';

const text = (value: Buffer | string | readonly (Buffer | string)[] | null | undefined): string | undefined => value?.toString();

/** One job through a handler, to its end. */
async function conclude(handle: unknown, more: Partial<WorkerDefinition> = {}, options: Omit<MemoryUnitOptions, 'definition'> = {}) {
  const definition = { ...defineWorker({ consumes: jobs, produces: [results], handle: handle as never }), ...more };
  const unit = new MemoryUnit({ definition, ...options });
  await unit.assign();
  return {
    unit,
    run: async (
      headers: Record<string, Buffer | string> = {},
      place: { topic: string; partition: number } = { topic: 'p.jobs', partition: 0 },
    ) => {
      if (place.topic !== 'p.jobs') await unit.assign([place]);
      unit.deliver([{ key: Buffer.from('a'), value: Buffer.from('{"id":"a","n":1}'), headers }], place);
      await until(() => unit.intake.open === 0, 'settled');
      unit.close();
      return unit.producer.sent;
    },
  };
}

describe('what a handler says', () => {
  for (const [what, outcome] of [
    ['done without a list of outputs', { kind: 'done' }],
    ['dead without a list of outputs', { kind: 'dead', code: 'A', reason: 'b' }],
    ['done with outputs that are no list', { kind: 'done', outputs: 'x' }],
    ['a word', 'done'],
  ] as const) {
    it(`becomes a dead letter where it is no outcome: ${what}`, async () => {
      for (const handle of [() => outcome, async () => outcome]) {
        const { run, unit } = await conclude(handle);
        const sent = await run();
        assert.deepEqual(
          sent.map(({ topic, headers }) => [topic, headers?.['ph.error.code']]),
          [['p.dlq', 'PH_HANDLER_OUTCOME']],
        );
        assert.equal(unit.fatal, undefined);
      }
    });
  }

  it('may come from a promise of another make', async () => {
    // biome-ignore lint/suspicious/noThenProperty: a promise library
    const { run, unit } = await conclude(() => ({ then: (resolve: (outcome: unknown) => void) => resolve(done()) }));
    await run();
    assert.equal(unit.intake.tally.done, 1);
  });

  it('retries by its policy where `after` is no time', async () => {
    const { run } = await conclude(() => retry(new TransientError('SHOP_BUSY', 'busy'), { after: 'soon' as never }));
    const [copy] = await run();
    assert.equal(copy?.topic, 'p.w.retry');
    assert.equal(copy?.headers?.['ph.error.code'], 'SHOP_BUSY');
  });

  it('is dead where an output has headers that are no text', async () => {
    const { run } = await conclude(() => done([output(results, { id: 'a', n: 1 }, { headers: { n: 5 as never } })]));
    const sent = await run();
    assert.deepEqual(
      sent.map(({ topic, headers }) => [topic, headers?.['ph.error.code']]),
      [['p.dlq', 'PH_OUTPUT_INVALID']],
    );
  });
});

describe('a dead letter', () => {
  it('goes out with a reason of bounded length and without secrets', async () => {
    const { run } = await conclude(() => dead('C'.repeat(5_000), `https://h/x?sig=topsecret ${'x'.repeat(2_000_000)}`), {
      onDead: () => {
        throw new Error(`https://h/y?sig=topsecret ${'y'.repeat(2_000_000)}`);
      },
    });
    const [letter] = await run();
    const headers = Object.values(letter?.headers ?? {}).join('\n');
    assert.ok(headers.length < 10_000, `${headers.length} characters`);
    assert.doesNotMatch(headers, /topsecret/);
  });

  it('goes out where onDead gives no list, never ends, or gives outputs that Kafka does not take', async () => {
    for (const onDead of [() => ({}), () => true, () => new Promise(() => {}), () => [output(results, { id: 'big', n: 1 })]]) {
      const { run, unit } = await conclude(() => dead('SHOP_NO', 'never'), { onDead: onDead as never }, { timeout: 50 });
      unit.producer.fail = ({ topic }) => (topic === 'p.results' ? new PermanentError('PH_MESSAGE_TOO_LARGE', 'too large') : null);
      const sent = await run();
      assert.deepEqual(
        sent.map(({ topic }) => topic),
        ['p.dlq'],
      );
      assert.match(text(sent[0]?.headers?.['ph.error.on-dead']) ?? '', /./);
      assert.equal(unit.fatal, undefined);
    }
  });

  it('keeps headers without a value', async () => {
    const { run } = await conclude(() => dead('SHOP_NO', 'never'));
    const [letter] = await run({ empty: undefined as never, mine: Buffer.from('1') });
    assert.ok('empty' in (letter?.headers ?? {}));
    assert.equal(letter?.headers?.['empty'], undefined);
  });
});

describe('the identity of an output', () => {
  it('is the same on the first try and on a retried record', async () => {
    const first = await (await conclude(() => done([output(results, { id: 'a', n: 1 })]))).run();
    const [copy] = await (await conclude(() => retry(new TransientError('SHOP_BUSY', 'busy')))).run();
    const again = await (await conclude(() => done([output(results, { id: 'a', n: 1 })]))).run(
      { ...copy?.headers, 'ph.due-at': '1' } as Record<string, string>,
      { topic: 'p.w.retry', partition: 1 },
    );
    assert.match(text(first[0]?.headers?.['ph.id']) ?? '', /^[0-9a-f]{32}$/);
    assert.equal(text(again[0]?.headers?.['ph.id']), text(first[0]?.headers?.['ph.id']));
  });

  it('is not shared by what a handler and onDead of one record send', async () => {
    const { run, unit } = await conclude(() => done([output(results, { id: 'a', n: 1 }), output(results, { id: 'b', n: 2 })]), {
      onDead: () => [output(results, { id: 'c', n: 3 })],
    });
    unit.producer.fail = (record) =>
      text(record.value)?.includes('"b"') === true ? new PermanentError('PH_MESSAGE_TOO_LARGE', 'too large') : null;
    const sent = await run();
    const ids = sent.filter(({ topic }) => topic === 'p.results').map(({ headers }) => text(headers?.['ph.id']));
    assert.equal(ids.length, 2);
    assert.equal(new Set(ids).size, 2);
  });
});

describe('the attempts that a record says it had', () => {
  it('never lead it into a lane that is not its own', async () => {
    for (const count of ['-1', '-100', '1.5', 'x', '']) {
      const { run } = await conclude(() => retry(new TransientError('SHOP_BUSY', 'busy')));
      const [copy] = await run({ retry_count: count });
      assert.equal(copy?.topic, 'p.w.retry');
      assert.equal(copy?.partition, 1, `retry_count ${count}`);
      assert.equal(copy?.headers?.['ph.attempts'], '1');
    }
  });
});

describe('outputs of which one is too large for its topic', () => {
  const small: Output = output(results, { id: 'first', n: 1 });
  const padded = (pad: string): Output => output(results, { id: 'second', n: 2 }, { headers: { pad } });
  const large = padded(randomBytes(2_500).toString('hex'));

  it('are not sent at all, and their record is dead at once', async () => {
    const { run, unit } = await conclude(() => done([small, large]), {}, { largest: 2_000 });
    const sent = await run();
    assert.deepEqual(
      sent.map(({ topic, headers }) => [topic, text(headers?.['ph.error.code'])]),
      [['p.dlq', 'PH_MESSAGE_TOO_LARGE']],
    );
    assert.equal(unit.fatal, undefined);
  });

  it('are sent where it is small enough when it is compressed', async () => {
    const sent = await (await conclude(() => done([small, padded('x'.repeat(5_000))]), {}, { largest: 2_000 })).run();
    assert.deepEqual(
      sent.map(({ topic }) => topic),
      ['p.results', 'p.results'],
    );
  });

  it('are left out of a dead letter whose onDead gives them', async () => {
    const { run } = await conclude(() => dead('SHOP_NO', 'never'), { onDead: () => [small, large] }, { largest: 2_000 });
    const sent = await run();
    assert.deepEqual(
      sent.map(({ topic, headers }) => [topic, text(headers?.['ph.error.code'])]),
      [['p.dlq', 'SHOP_NO']],
    );
    assert.match(text(sent[0]?.headers?.['ph.error.on-dead']) ?? '', /larger than topic 'p.results' takes/);
  });
});

describe('a dead letter that its topic does not take', () => {
  const limit = 9_000;
  const refuseLarge = ({ key, value, headers }: OutgoingRecord) => {
    const bytes = [key, value, ...Object.values(headers ?? {})].flat().reduce((sum, part) => sum + (part?.length ?? 0), 0);
    return bytes > limit ? new PermanentError('PH_MESSAGE_TOO_LARGE', 'too large') : null;
  };

  it('is stored whole before it is written, refers to what is stored, and is stored again once it is written', async () => {
    const stored: { payload: Payload; written: number }[] = [];
    const storePayload = async (topic: string, payload: Payload): Promise<string> => {
      assert.equal(topic, 'p.dlq');
      await setImmediate();
      await setImmediate();
      stored.push({ payload, written: unit.producer.sent.length });
      return 'reference';
    };
    const { run, unit } = await conclude(() => dead('SHOP_NO', 'never'), {}, { storePayload });
    unit.producer.fail = refuseLarge;
    const large = { mine: Buffer.alloc(10_000, 'm'), 'ph.payload.sha256': 'made up' };
    const sent = await run(large);
    // The second time: a sweep may have taken what was stored for that of a settled one, as long as nobody referred to it.
    assert.deepEqual(
      stored.map(({ written }) => written),
      [0, 1],
    );
    for (const { payload } of stored) {
      assert.equal(text(payload.key), 'a');
      assert.equal(text(payload.value), '{"id":"a","n":1}');
      assert.deepEqual(Object.keys(payload.headers ?? {}), ['mine']);
    }
    assert.equal(sent.length, 1);
    const [letter] = sent;
    assert.deepEqual([text(letter?.key), text(letter?.value), letter?.topic], ['a', '', 'p.dlq']);
    assert.equal(text(letter?.headers?.['ph.payload.sha256']), 'reference');
    assert.equal(text(letter?.headers?.['ph.payload.value-bytes']), '16');
    assert.equal(text(letter?.headers?.['ph.error.code']), 'SHOP_NO');
    assert.equal(letter?.headers?.['mine'], undefined, 'too large to be kept beside it');
    assert.equal(unit.fatal, undefined);
  });

  it('does not believe a reference that came with the record', async () => {
    const { run } = await conclude(() => dead('SHOP_NO', 'never'));
    const [letter] = await run({ 'ph.payload.sha256': 'f'.repeat(64), 'ph.payload.value-bytes': '1', 'ph.batch': '7' });
    assert.deepEqual(
      Object.keys(letter?.headers ?? {}).filter((name) => /payload|batch/.test(name)),
      [],
    );
  });
});
