import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineTopic, Id, Nullable, Text, Timestamp, Type } from '@pipeline-host/sdk';
import fc from 'fast-check';
import { createMessageCodec } from '../../../host/src/engine/messages/message-codec.ts';
import { messageLine } from '../../../host/src/engine/messages/message-line.ts';

const Message = Type.Object({
  id: Id({ pattern: '[^.]$' }),
  note: Nullable(Text()),
  at: Timestamp(),
  tags: Type.Optional(Type.Array(Text())),
  data: Type.Object({ value: Type.Unknown(), more: Type.Optional(Type.Unknown()), count: Type.Optional(Type.Integer()) }),
});
const codec = createMessageCodec(defineTopic('messages', Message, { key: ({ id }) => id }));

const isPlain = (json: string | Buffer): boolean => codec.isPlain(Buffer.from(json));
const AT = '"at":"2026-01-05T14:22:07.5Z"';
const withData = (value: string): string => `{"id":"x",${AT},"data":{"value":${value}}}`;

describe('a message is plain', () => {
  it('where it fits as it came, whatever else is in it', () => {
    for (const json of [
      withData('1'),
      withData('null'),
      withData('[]'),
      withData('{"a":[true,false,null,-12,{"b":{}}],"c":"é\u{1F600} \\" \\\\ \\u00e9 \\n"}'),
      withData('123456789012345678901234567890'),
      `\t{ "unknown" : [ 1 , 2 ] , "id" : "a.b" , ${AT} , "note" : null , "data" : { "count" : 3 , "value" : { } , "more" : [ ] } } `,
      `{"id":7,${AT},"tags":["a",1],"data":{"value":0}}`,
    ])
      assert.equal(isPlain(json), true, json);
  });

  it('not where it is no JSON, also where a database would take it', () => {
    for (const value of [
      'NaN',
      'Infinity',
      '-inf',
      '[1,]',
      '{"a":1,}',
      '01',
      '+1',
      '.5',
      "'a'",
      '"\t"',
      '"\\x"',
      '"\\u12"',
      'tru',
      '1 2',
      '',
    ]) {
      assert.equal(isPlain(withData(value)), false, value);
    }
    assert.equal(isPlain(`${withData('1')}]`), false);
    assert.equal(isPlain(withData('1').slice(0, -1)), false);
    assert.equal(isPlain(Buffer.from([...Buffer.from(withData('"')), 0xff])), false);
    assert.equal(isPlain(withData('"\\ud83d"')), false);
    assert.equal(codec.isPlain(null), false);
  });

  it('not where reading would change it, or it does not fit', () => {
    for (const json of [
      withData('1').replace('"x"', '" x"'),
      withData('1').replace('"x"', '"x."'),
      withData('1').replace('"x"', '""'),
      withData('1').replace('"x"', 'null'),
      withData('1').replace('"id"', '"ID"'),
      withData('1').replace('07.5Z', '07.5+01:00'),
      withData('1').replace('2026-01-05', '2026-02-30'),
      withData('1').replace('"value"', '"values"'),
      withData('1').replace('"id":"x"', '"id":"x","note":" "'),
      withData('1').replace('{"value":1}', '"text"'),
      withData('1').replace('"id":"x"', '"id":"x","id":" "'),
      withData('1').replace('"id"', '"\\u0069d"'),
    ])
      assert.equal(isPlain(json), false, json);
  });

  it('not where SQL would lose digits, or a line break is to go', () => {
    for (const json of [
      withData('1.0'),
      withData('1e3'),
      withData('[{"a":-0.5}]'),
      withData('\n1'),
      withData('1').replace('"x"', '12345678901234567890'),
    ])
      assert.equal(isPlain(json), false, json);
  });

  it('only where decoding it in full gives the same bytes', () => {
    const value = fc.jsonValue({ maxDepth: 3 }).map((any) => JSON.stringify(any));
    const field = fc.oneof(value, fc.constantFrom('"x"', '" x "', '7', '1.5', '"2026-01-05T14:22:07Z"', '"2026-01-05 14:22"', '""'));
    const message = fc
      .array(fc.tuple(fc.constantFrom('"id"', '"note"', '"at"', '"tags"', '"other"'), field), { maxLength: 6 })
      .map((fields) => [['"id"', '"x"'], ['"at"', '"2026-01-05T14:22:07Z"'], ['"data"', '{"value":1}'], ...fields])
      .map((fields) => `{${fields.map((pair) => pair.join(':')).join(',')}}`);
    const fragment = fc.constantFrom(
      '',
      ' ',
      ',',
      '"',
      '\\',
      '\\u0041',
      '\\ud800',
      'NaN',
      '-',
      '0',
      '.',
      'e1',
      '[',
      ']',
      '{',
      '}',
      ':',
      '\n',
      '\u0001',
      'é',
    );
    fc.assert(
      fc.property(message, fragment, fc.nat(), fc.nat(3), (json, inserted, where, cut) => {
        const at = where % (json.length + 1);
        const bytes = Buffer.from(json.slice(0, at) + inserted + json.slice(at + cut));
        if (codec.isPlain(bytes)) assert.equal(messageLine(codec.checkedJson(bytes), ['note']), bytes);
      }),
      { numRuns: 5_000 },
    );
  });
});
