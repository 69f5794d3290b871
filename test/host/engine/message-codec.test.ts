import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineTopic, Id, Integer, isPipelineError, Nullable, OpenObject, PermanentError, Text, Timestamp, Type } from '@pipeline-host/sdk';
import { createMessageCodec, MAX_DEPTH } from '../../../host/src/engine/messages/message-codec.ts';

const Claim = Type.Object({
  id: Id(),
  note: Nullable(Text()),
  at: Nullable(Timestamp()),
  count: Type.Integer({ default: 1 }),
  data: Type.Object({ ref: Nullable(Text()) }, { additionalProperties: true, default: {} }),
  extra: Nullable(OpenObject()),
});
const claims = defineTopic('claims', Claim, {
  key: (claim) => claim.id,
  accepts: [
    {
      schema: Type.Object({ claim_id: Id(), text: Type.Optional(Text()), loose: Type.Optional(Type.Unknown()) }),
      upgrade: (old) => {
        if (old.claim_id === 'refuse') throw new PermanentError('SHOP_OLD', 'no');
        return {
          id: old.claim_id,
          note: (old.loose as string | undefined) ?? old.text ?? null,
          at: null,
          count: 1,
          data: { ref: null },
          extra: null,
        };
      },
    },
  ],
});
const codec = createMessageCodec(claims);
const decode = (text: string): unknown => codec.decode(Buffer.from(text));
const codeOf = (bytes: Buffer | null): string => {
  try {
    codec.decode(bytes);
    return 'none';
  } catch (error) {
    assert.ok(isPipelineError(error));
    return error.code;
  }
};

describe('reading messages', () => {
  it('reads a blank text as null, whatever the field would hold', () => {
    const one = Type.Object({
      text: Nullable(Text()),
      at: Nullable(Timestamp()),
      count: Nullable(Integer()),
      plain: Nullable(Type.String()),
    });
    const codec = createMessageCodec(defineTopic('blank', one, { key: () => null }));
    const bytes = Buffer.from(JSON.stringify({ text: ' ', at: '', count: ' \t', plain: ' ' }));
    const read = { text: null, at: null, count: null, plain: ' ' };
    assert.deepEqual(codec.decode(bytes), read);
    assert.deepEqual(JSON.parse(codec.checkedJson(bytes).toString()), read);
    assert.equal(codec.isPlain(bytes), false);
  });

  it('trims ids, fills what is absent and brings instants into one form', () => {
    assert.deepEqual(decode('{"id":"  a ","at":"2026-01-05 15:22:07.1200+01:00"}'), {
      id: 'a',
      note: null,
      at: '2026-01-05T14:22:07.12Z',
      count: 1,
      data: { ref: null },
      extra: null,
    });
  });

  it('reads instants without zone as UTC, and epoch seconds and milliseconds', () => {
    const at = (value: string): unknown => (decode(`{"id":"a","at":${value}}`) as { at: unknown }).at;
    assert.equal(at('"2026-01-05T14:22:07"'), '2026-01-05T14:22:07Z');
    assert.equal(at('"2026-01-05T14:22:07.123456Z"'), '2026-01-05T14:22:07.123456Z');
    assert.equal(at('1767622927'), '2026-01-05T14:22:07Z');
    assert.equal(at('1767622927500'), '2026-01-05T14:22:07.500Z');
    assert.equal(codeOf(Buffer.from('{"id":"a","at":"yesterday"}')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"a","at":"2026-02-30T10:00:00Z"}')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"a","at":"2026-02-30T10:00:00+01:00"}')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"a","at":"2026-02-03T24:00:00Z"}')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"a","at":"0000-02-03T10:00:00Z"}')), 'PH_MESSAGE_INVALID');
    assert.equal(at('"2024-02-29T10:00:00Z"'), '2024-02-29T10:00:00Z');
  });

  it('keeps the digits of a number in a text field, beyond 2^53 and with fractions', () => {
    const message = decode(
      '{"id":9007199254740993,"note":1.10,"data":{"ref":12345678901234567890,"n":0.5},"extra":{"big":9007199254740993}}',
    );
    assert.deepEqual(message, {
      id: '9007199254740993',
      note: '1.10',
      at: null,
      count: 1,
      data: { ref: '12345678901234567890', n: 0.5 },
      extra: { big: 9007199254740992 },
    });
  });

  it('writes booleans, lists and objects in text fields as their JSON text, digits kept', () => {
    const note = (value: string): unknown => (decode(`{"id":"a","note":${value}}`) as { note: unknown }).note;
    assert.equal(note('true'), 'true');
    assert.equal(note('[1,{"a":"b"}]'), '[1,{"a":"b"}]');
    assert.equal(note('{"n":1}'), '{"n":1}');
    assert.equal(note('"   "'), null);
  });

  it('upgrades older shapes, and refuses where the upgrade refuses', () => {
    assert.deepEqual(decode('{"claim_id":7,"text":"x"}'), { id: '7', note: 'x', at: null, count: 1, data: { ref: null }, extra: null });
    assert.equal(codeOf(Buffer.from('{"claim_id":"refuse"}')), 'PH_MESSAGE_INVALID');
    assert.equal((decode('{"claim_id":7,"loose":0.5}') as { note: unknown }).note, '0.5', 'an upgrade may hand over a number');
  });

  it('tells the field and never the value of what does not fit', () => {
    assert.throws(
      () => decode('{"id":"a","count":"hunter2"}'),
      (error: unknown) => isPipelineError(error) && error.message.includes('/count') && !error.message.includes('hunter2'),
    );
  });

  it('refuses what is not a message at all', () => {
    assert.equal(codeOf(null), 'PH_MESSAGE_UNREADABLE');
    assert.equal(codeOf(Buffer.from('{"id":')), 'PH_MESSAGE_UNREADABLE');
    assert.equal(codeOf(Buffer.from([0x7b, 0xff, 0x7d])), 'PH_MESSAGE_UNREADABLE');
    assert.equal(codeOf(Buffer.from('"text"')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"  "}')), 'PH_MESSAGE_INVALID');
    assert.equal(codeOf(Buffer.from('{"id":"half \\ud800 of a character"}')), 'PH_MESSAGE_UNREADABLE');
    assert.equal(codeOf(Buffer.from('{"id":"whole \\ud83d\\ude00"}')), 'none');
    assert.equal(codeOf(Buffer.from(`{"id":"${'x'.repeat(1_000_000)}"}`)), 'PH_MESSAGE_INVALID');
  });

  it('refuses nesting beyond the limit and is not fooled by brackets inside strings', () => {
    const nested = (depth: number): string => `{"id":"a","data":{"x":${'['.repeat(depth)}${']'.repeat(depth)}}}`;
    assert.equal(codeOf(Buffer.from(nested(MAX_DEPTH - 2))), 'none');
    assert.equal(codeOf(Buffer.from(nested(MAX_DEPTH + 1))), 'PH_MESSAGE_UNREADABLE');
    assert.equal(codeOf(Buffer.from(`{"id":"a","note":"\\\\\\"${'['.repeat(5_000)}"}`)), 'none');
  });
});

describe('writing messages', () => {
  it('reads back what it wrote', () => {
    const message = { id: 'a', note: 'ü', at: '2026-01-05T14:22:07Z', count: 2, data: { ref: 'r' }, extra: { a: [1] } };
    assert.deepEqual(codec.decode(codec.encode(message)), message);
  });

  it('refuses an output that does not fit', () => {
    assert.throws(
      () => codec.encode({ id: 'a' }),
      (error: unknown) => isPipelineError(error) && error.code === 'PH_OUTPUT_INVALID',
    );
  });

  it('hands bytes through, and asks the author where the topic has a codec', () => {
    const raw = createMessageCodec(defineTopic('raw', Type.Uint8Array(), { key: () => null, codec: 'bytes' }));
    assert.deepEqual(raw.decode(Buffer.from([1, 2])), Buffer.from([1, 2]));
    const hex = createMessageCodec(
      defineTopic('hex', Type.String({ minLength: 2 }), {
        key: () => null,
        codec: { name: 'hex', decode: (bytes) => Buffer.from(bytes).toString('hex'), encode: (text) => Buffer.from(String(text), 'hex') },
      }),
    );
    assert.equal(hex.decode(Buffer.from([0xab])), 'ab');
    assert.deepEqual(hex.encode('ab'), Buffer.from([0xab]));
  });
});
