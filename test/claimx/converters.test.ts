import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parseExact } from '@pipeline-host/sdk';
import { decimalText, flag, idText, integer, smallInteger, text, timestampText } from '../../plugins/claimx/src/converters.ts';

/** The value as it comes out of an answer of the API. */
const answered = (json: string): unknown => parseExact(json);
const table = (convert: (value: unknown) => unknown, cases: readonly (readonly [string, unknown])[]) => {
  for (const [json, expected] of cases) assert.deepEqual(convert(answered(json)), expected, json);
  assert.equal(convert(undefined), null, 'absent');
};

describe('values of the API become', () => {
  it('text: trimmed, null where nothing is left, numbers with the digits of their source', () => {
    table(text, [
      ['"cut \\ud83d"', 'cut \ufffd'],
      ['null', null],
      ['" a b "', 'a b'],
      ['"  "', null],
      ['""', null],
      ['30.2672', '30.2672'],
      ['12.50', '12.50'],
      ['90071992547409931', '90071992547409931'],
      ['1e3', '1e3'],
      ['true', 'true'],
      ['{"a":[1]}', '{"a":[1]}'],
      ['0', '0'],
    ]);
  });

  it('ids: whole numbers as text, text as it is', () => {
    table(idText, [
      ['null', null],
      ['88231190', '88231190'],
      ['" 88231190 "', '88231190'],
      ['90071992547409931', '90071992547409931'],
      ['7.9', '7'],
      ['7.0', '7'],
      ['true', '1'],
      ['"x-1"', 'x-1'],
      ['""', null],
    ]);
  });

  it('whole numbers: fractions cut, text only where it is digits, null beyond 64 bits', () => {
    table(integer, [
      ['null', null],
      ['12', 12],
      ['-12.9', -12],
      ['12.0', 12],
      ['" +0012 "', 12],
      ['"-3"', -3],
      ['"12.0"', null],
      ['"1e3"', null],
      ['"abc"', null],
      ['""', null],
      ['false', 0],
      ['9007199254740993', '9007199254740993'],
      ['"9223372036854775807"', '9223372036854775807'],
      ['9223372036854775808', null],
      ['1e400', null],
      ['[]', null],
      ['{}', null],
    ]);
    table(smallInteger, [
      ['2147483647', 2147483647],
      ['2147483648', null],
      ['9007199254740993', null],
    ]);
  });

  it('booleans: three words in any case, untrimmed; anything else by what it holds', () => {
    table(flag, [
      ['null', null],
      ['true', true],
      ['"TRUE"', true],
      ['"Yes"', true],
      ['"1"', true],
      ['" true"', false],
      ['"false"', false],
      ['""', false],
      ['2', true],
      ['0.0', false],
      ['[]', false],
      ['{"a":1}', true],
    ]);
  });

  it('decimals: trailing zeros kept, leading ones and the plus dropped, a large exponent as E+n', () => {
    table(decimalText, [
      ['null', null],
      ['"754.25"', '754.25'],
      ['754.250', '754.250'],
      ['"+007.50"', '7.50'],
      ['".5"', '0.5'],
      ['"5."', '5'],
      ['"-0.10"', '-0.10'],
      ['1e3', '1E+3'],
      ['"1.5e3"', '1.5E+3'],
      ['"100e-2"', '1.00'],
      ['1e-3', '0.001'],
      ['"1e-9"', '1E-9'],
      ['0', '0'],
      ['"0.000"', '0.000'],
      ['"12m"', null],
      ['""', null],
      ['true', null],
      ['"NaN"', null],
    ]);
  });

  it('instants: as they were written, Z as an offset; a number is none', () => {
    table(timestampText, [
      ['null', null],
      ['"2026-01-04T18:00:00Z"', '2026-01-04T18:00:00+00:00'],
      ['" 2026-01-04T18:00:00-06:00 "', '2026-01-04T18:00:00-06:00'],
      ['"soon"', 'soon'],
      ['"  "', null],
      ['1767549600000', null],
    ]);
  });
});
