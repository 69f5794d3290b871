import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineTopic, Id, Integer, Nullable, Type } from '@pipeline-host/sdk';
import { createMessageCodec } from '../../../host/src/engine/messages/message-codec.ts';

const codec = createMessageCodec(
  defineTopic('counts', Type.Object({ id: Id(), count: Integer({ minimum: 0, default: 1 }), rest: Nullable(Integer()) }), {
    key: ({ id }) => id,
  }),
);
const message = (count: string, rest = 'null') => Buffer.from(`{"id":"a","count":${count},"rest":${rest}}`);

describe('a whole number', () => {
  it('is read from text, too', () => {
    assert.deepEqual(codec.decode(message('"2"', '" -17 "')), { id: 'a', count: 2, rest: -17 });
    assert.deepEqual(codec.decode(message('2')), { id: 'a', count: 2, rest: null });
    assert.deepEqual(codec.decode(message('"2.0"', '"-0"')), { id: 'a', count: 2, rest: 0 });
    assert.deepEqual(codec.decode(message('"007"', '"00000000000000000000012"')), { id: 'a', count: 7, rest: 12 });
    assert.deepEqual(codec.decode(Buffer.from('{"id":"a"}')), { id: 'a', count: 1, rest: null });
  });

  it('is not read from text that is none, is out of range, or that a double would change', () => {
    for (const count of ['"two"', '"2.5"', '"2."', '"2e0"', '"2.00000000000000000001"', '""', '"-1"', '"9007199254740993"', 'true', '2.5'])
      assert.throws(() => codec.decode(message(count)), { code: 'PH_MESSAGE_INVALID' }, count);
  });

  it('that was text is a number where the message goes on as JSON', () => {
    assert.equal(codec.isPlain(message('2')), true);
    assert.equal(codec.isPlain(message('"2"')), false);
    assert.deepEqual(JSON.parse(codec.checkedJson(message('"2"')).toString('utf8')), { id: 'a', count: 2, rest: null });
  });
});
