import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TextBytes } from '../../../host/src/engine/tables/text-bytes.ts';

test('bytes of a text stay as they are while others are made, however long and in whatever script', () => {
  const bytes = new TextBytes();
  const texts = Array.from(
    { length: 3_000 },
    (_, n) => ['short', 'größer', '漢字'.repeat(n % 400), '👍', 'x'.repeat(n % 7 === 0 ? 90_000 : 1)][n % 5] ?? '',
  );
  const made = texts.map((text) => bytes.of(text));
  for (const [at, text] of texts.entries()) assert.ok(made[at]?.equals(Buffer.from(text)), `text ${at}`);
});
