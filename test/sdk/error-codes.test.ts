import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { describe, it } from 'node:test';
import { ERROR_CODES } from '@pipeline-host/sdk';

const sources = globSync('{host/src,host/bin,sdk/src,plugins/*/src,plugins/*/simulation}/**/*.{ts,js}', {
  cwd: new URL('../..', import.meta.url).pathname,
}).map((file) => ({ file, text: readFileSync(new URL(`../../${file}`, import.meta.url), 'utf8') }));

describe('the table of error codes', () => {
  it('has every code that the sources raise', () => {
    for (const { file, text } of sources) {
      for (const [code] of text.matchAll(/(?<=')PH_[A-Z]+_[A-Z_]+(?=')/g)) assert.ok(code in ERROR_CODES, `${file}: ${code}`);
    }
  });

  it('has no code that nothing raises', () => {
    const all = sources.filter(({ file }) => !file.endsWith('error-codes.ts')).map(({ text }) => text);
    for (const code of Object.keys(ERROR_CODES))
      assert.ok(
        all.some((text) => text.includes(code)),
        code,
      );
  });

  it('says for every code what to do', () => {
    for (const [code, { hint }] of Object.entries(ERROR_CODES)) assert.ok(hint.length > 5, code);
  });
});
