import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fc from 'fast-check';
import type { LocatedRecord, OutgoingRecord, RecordHeaders } from '../../host/src/kafka/driver.ts';
import { HEADER, HOST_PREFIX, headerText } from '../../host/src/retry/headers.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../integration/brokers.ts';
import { openRelayWorld } from '../integration/relay-world.ts';

const SEED = Number(process.env['PH_SEED'] ?? 1);

const bytes = fc.uint8Array({ maxLength: 40 }).map((array) => Buffer.from(array));
const headerName = fc
  .oneof(fc.string({ minLength: 1, maxLength: 12 }), fc.constantFrom('__proto__', 'constructor', 'toString', 'trace_id', '0', '07'))
  .filter((name) => name.isWellFormed() && !name.startsWith(HOST_PREFIX));
const headerValue = fc.oneof(bytes, fc.constant(undefined), fc.array(bytes, { minLength: 2, maxLength: 3 }));
const headers = fc.array(fc.tuple(headerName, headerValue), { maxLength: 4 }).map((lines): RecordHeaders => Object.fromEntries(lines));
const key = fc.option(bytes, { nil: null });

/** Names and values as they stand on the wire, by name. */
function plain(given: RecordHeaders): readonly (readonly [string, unknown])[] {
  return Object.entries(given)
    .filter(([name]) => !name.startsWith(HOST_PREFIX))
    .map(([name, value]) => [name, value === undefined ? null : [value].flat().map((one) => Buffer.from(one).toString('hex'))] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
}

const hex = (part: Buffer | string | null): string | null => (part === null ? null : Buffer.from(part).toString('hex'));
const wire = ({ key: own, value, headers: given }: Pick<OutgoingRecord, 'key' | 'value' | 'headers'>) =>
  JSON.stringify([hex(own), hex(value), plain(given ?? {})]);

describe('promise 7: a dead letter is byte-identical to the record', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it(`for any bytes, whether it is unreadable, rejected, or given up after all its attempts (PH_SEED=${SEED})`, async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, workers: { relay: { retry: { delays: ['50ms', '50ms'] } } } });
    await world.start({ workers: ['relay'] });
    const producer = await world.producer();
    const work = (fields: object) => Buffer.from(JSON.stringify({ key: 'a', n: 1, ...fields }));
    const value = fc.oneof(
      fc.option(bytes, { nil: null }),
      fc.constantFrom(work({ poison: true }), work({ fails: 9 }), Buffer.from(` ${work({ poison: true }).toString()}\n`)),
    );
    const records = fc.sample(fc.record({ key, value, headers }), { numRuns: 150, seed: SEED });
    await Promise.all(records.map((record) => producer.send({ topic: world.source, ...record })));
    const originals = new Map(
      (await (await world.cluster()).read({ topic: world.source })).map((record) => [`${record.partition}/${record.offset}`, record]),
    );
    await world.untilThrough({ workers: ['relay'] });

    const letters: readonly LocatedRecord[] = await world.deadLetters();
    assert.equal(letters.length, records.length);
    const codes = new Set<string>();
    for (const letter of letters) {
      const place = `${headerText(letter.headers, HEADER.originPartition)}/${headerText(letter.headers, HEADER.originOffset)}`;
      const original = originals.get(place);
      assert.ok(original, place);
      assert.equal(wire(letter), wire(original), place);
      assert.equal(letter.partition, original.partition, 'a dead letter keeps its partition number');
      codes.add(headerText(letter.headers, HEADER.errorCode) ?? '');
    }
    assert.deepEqual(letters.map(wire).toSorted(), records.map(wire).toSorted());
    assert.deepEqual([...codes].toSorted(), ['PH_MESSAGE_INVALID', 'PH_MESSAGE_UNREADABLE', 'RELAY_FAILED', 'RELAY_POISON']);
  });
});
