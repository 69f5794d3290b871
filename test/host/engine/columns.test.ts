import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import {
  type ColumnSource,
  column,
  concat,
  constant,
  day,
  defineTable,
  defineTableWriter,
  defineTopic,
  firstOf,
  Id,
  joined,
  json,
  lastPart,
  message,
  Nullable,
  sha1,
  sha256,
  Text,
  Timestamp,
  Type,
  text,
  uuid5,
  writtenAt,
} from '@pipeline-host/sdk';
import { DeltaTable, RowConversionError } from '../../../host/src/delta/index.ts';
import { createMessageCodec } from '../../../host/src/engine/messages/message-codec.ts';
import { BatchLines } from '../../../host/src/engine/tables/line-memory.ts';
import { createRowMaker } from '../../../host/src/engine/tables/row-maker.ts';
import { tableSpec } from '../../../host/src/engine/tables/table-rows.ts';
import { type Lake, openLake } from '../delta/delta-fixture.ts';
import { quietLog } from '../http/fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const Message = Type.Object({
  id: Id(),
  note: Nullable(Text()),
  at: Nullable(Timestamp()),
  data: Type.Optional(Type.Unknown()),
});
const source = defineTopic('messages', Message, {
  key: ({ id }) => id,
  accepts: [
    {
      schema: Type.Object({ old_id: Id(), data: Type.Optional(Type.Unknown()) }),
      upgrade: ({ old_id, data }) => ({ id: old_id, note: null, at: null, data }),
    },
  ],
});

const WRITTEN_AT = '2026-01-07T23:30:00.123Z';
let serial = 0;

/** The value of one column, for records that become a row each; the record's id is a column too. */
async function values(
  from: ColumnSource,
  records: readonly (object | string)[],
  type: Parameters<typeof Nullable>[0] = column.string(),
): Promise<readonly unknown[]> {
  const name = `columns_${serial++}`;
  const table = defineTable(name, Type.Object({ value: Nullable(type), place: column.integer() }), { mode: 'append' });
  // The order of rows in a table says nothing: each record brings its own place.
  const definition = defineTableWriter({ consumes: source, writes: [table], columns: { value: from as never, place: text('data.place') } });
  const delta = await DeltaTable.open(lake.engine, lake.store, name, { create: tableSpec(table) });
  const target = { resolved: { definition: table, name }, delta };
  const maker = createRowMaker({ definition, config: {}, tables: [target], codec: createMessageCodec(source), log: quietLog });
  const batch = { writtenAt: WRITTEN_AT, memory: new BatchLines() };
  const lines = records.map((record, place) => {
    const bytes = typeof record === 'string' ? record.replace('"place"', `"place":${place}`) : placed(record, place);
    const info = { id: null, topic: 'messages', partition: 0, offset: BigInt(place), key: null, timestamp: 0, headers: {}, value: null };
    const [line] = maker.lines(maker.decode(Buffer.from(bytes)), () => info, batch).get(target) ?? [];
    return line ?? assert.fail('no line');
  });
  await maker.withBlock(target, lines, batch, (block) => delta.append(block));
  const rows = await delta.readRows();
  return rows.toSorted((a, b) => Number(a['place']) - Number(b['place'])).map((row) => row['value']);
}

function placed(record: object, place: number): string {
  const data = 'data' in record ? record.data : {};
  return JSON.stringify({ id: 'x', ...record, data: { ...(data as object), place } });
}

describe('a column', () => {
  it('of text is the text, the digits of a number, the JSON of anything else, and null for nothing and for blank', async () => {
    const records = [
      { data: { v: 'plain ' } },
      { data: { v: 'é\u{1F600} "q" \\ \n' } },
      { data: { v: 12 } },
      { data: { v: true } },
      { data: { v: { a: [1, 'b'] } } },
      { data: { v: ['x', null] } },
      { data: { v: null } },
      { data: {} },
      { data: { v: '' } },
      { data: { v: ' \t\n' } },
      '{"id":"x","data":{"v":1.50,"place"}}',
      '{"id":"x","data":{"v":[1.50,{"n":2.0}],"place"}}',
      '{"id":"x","data":{"v":123456789012345678901234567890,"place"}}',
      '{"id":"x",\r\n"data":{\n"v":"lines",\n"place"}}',
    ];
    assert.deepEqual(await values(text('data.v'), records), [
      'plain ',
      'é\u{1F600} "q" \\ \n',
      '12',
      'true',
      '{"a":[1,"b"]}',
      '["x",null]',
      null,
      null,
      null,
      null,
      '1.50',
      '[1.50,{"n":2.0}]',
      '123456789012345678901234567890',
      'lines',
    ]);
  });

  it('has what reading made of the message: trimmed ids, instants in UTC, upgraded shapes', async () => {
    assert.deepEqual(await values(text('id'), [{ id: ' a ' }, { id: 7 }, '{"old_id":" b ","data":{"place"}}']), ['a', '7', 'b']);
    const instants = [{ at: '2026-01-05T23:30:00.5-01:00' }, { at: 1_767_600_000 }, { at: '2026-01-05T14:22:07.123456Z' }, {}];
    const expected = ['2026-01-06T00:30:00.500000Z', '2026-01-05T08:00:00.000000Z', '2026-01-05T14:22:07.123456Z', null];
    assert.deepEqual(await values(text('at'), instants, column.timestamp()), expected);
    assert.deepEqual(await values(day(text('at')), instants, column.date()), ['2026-01-06', '2026-01-05', '2026-01-05', null]);
  });

  it('of a message that had to be read otherwise keeps the digits of its numbers all the same', async () => {
    const records = ['{"id":" trimmed ","data":{"v":1.50,"place"}}', '{"old_id":"upgraded","data":{"v":2.0,"place"}}'];
    assert.deepEqual(await values(text('data.v'), records), ['1.50', '2.0']);
    assert.deepEqual(await values(text('data.v'), records, column.decimal(10, 3)), ['1.500', '2.000']);
  });

  it('takes the type of its table, exactly', async () => {
    assert.deepEqual(await values(text('data.v'), [{ data: { v: '9223372036854775807' } }, { data: { v: -5 } }], column.long()), [
      '9223372036854775807',
      '-5',
    ]);
    assert.deepEqual(await values(text('data.v'), [{ data: { v: true } }, { data: { v: 'false' } }], column.boolean()), [true, false]);
    assert.deepEqual(await values(text('data.v'), ['{"id":"x","data":{"v":12345678901234567.891,"place"}}'], column.decimal(30, 3)), [
      '12345678901234567.891',
    ]);
    assert.deepEqual(await values(text('data.v'), [{ data: { v: '2026-01-05' } }], column.date()), ['2026-01-05']);
  });

  it('that its type does not take is named with its row, and so is every other one', async () => {
    await assert.rejects(
      values(text('data.v'), [{ data: { v: 1 } }, { data: { v: 'one' } }, { data: { v: 1.5 } }, { data: { v: null } }], column.integer()),
      (error: unknown) => {
        assert.ok(error instanceof RowConversionError);
        assert.deepEqual(
          error.rows.map(({ index, column: name, reason }) => ({ index, column: name, reason })),
          [
            { index: 1, column: 'value', reason: '"one" is no integer' },
            { index: 2, column: 'value', reason: '"1.5" is no integer' },
          ],
        );
        return true;
      },
    );
  });

  it('of JSON is the value as JSON, and the message is itself', async () => {
    assert.deepEqual(await values(json('data.v'), [{ data: { v: 'a"b' } }, { data: { v: { x: 1 } } }, { data: { v: null } }, {}]), [
      '"a\\"b"',
      '{"x":1}',
      null,
      null,
    ]);
    const whole = '{"id":"x","extra":1.50,"data":{"place":0}}';
    assert.deepEqual(await values(message(), [whole.replace(':0', '')]), [whole]);
    assert.deepEqual(await values(json('data'), [{ data: { v: 1 } }]), ['{"v":1,"place":0}'], 'an object that is read below too');
    assert.deepEqual(await values(text('data'), [{ data: { v: 1 } }]), ['{"v":1,"place":0}']);
  });

  it('joins the texts of a list', async () => {
    const records = [['a', '', null, ' ', 7, 'b'], [], [''], null, 'alone', ' ', 7, { a: 1 }].map((v) => ({ data: { v } }));
    assert.deepEqual(await values(joined('data.v', ', '), records), ['a, 7, b', null, null, null, 'alone', null, null, null]);
  });

  it('has the last part of a text, the first value that is there, and texts put together', async () => {
    const parts = [{ note: 'a.b.c' }, { note: 'whole' }, { note: 'ends. ' }, {}];
    assert.deepEqual(await values(lastPart(text('note'), '.'), parts), ['c', 'whole', null, null]);
    assert.deepEqual(await values(firstOf(text('note'), text('id')), [{ note: 'n' }, {}]), ['n', 'x']);
    assert.deepEqual(await values(concat(text('id'), constant(':'), text('note')), [{ note: 'n' }, {}]), ['x:n', null]);
    assert.deepEqual(await values(constant("it's"), [{}]), ["it's"]);
    assert.deepEqual(await values(writtenAt(), [{}], column.timestamp()), ['2026-01-07T23:30:00.123000Z']);
    assert.deepEqual(await values(day(writtenAt()), [{}], column.date()), ['2026-01-07']);
  });

  it('has ids by hash as other programs make them', async () => {
    const of = (algorithm: string) => createHash(algorithm).update('é x').digest('hex');
    assert.deepEqual(await values(sha1(text('note')), [{ note: 'é x' }, {}]), [of('sha1'), null]);
    assert.deepEqual(await values(sha256(text('note')), [{ note: 'é x' }, {}]), [of('sha256'), null]);
    // RFC 9562, appendix A.4: www.example.com in the namespace of DNS names.
    const dns = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
    assert.deepEqual(await values(uuid5(dns, text('note')), [{ note: 'www.example.com' }, {}]), [
      '2ed6657d-e927-568b-95e1-2665a8aea6a2',
      null,
    ]);
  });
});
