import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { test } from 'node:test';

/** The name of a domain, alone or as part of a name: `xact_events`, `toXact`, `XACT_TOPIC`; "exact" and "exactly" are no domain. */
const domainWords = /(?<![eE])xact|Xact|(?<!E)XACT|[cC][lL][aA][iI][mM][xX]|[vV][eE][rR][iI][sS][kK]/;

test('no file of the host or the SDK knows a domain by name', async () => {
  const found: string[] = [];
  let files = 0;
  for (const root of ['host/src/', 'sdk/src/']) {
    const folder = new URL(`../../${root}`, import.meta.url);
    for (const entry of await readdir(folder, { recursive: true, withFileTypes: true })) {
      if (!entry.isFile()) continue;
      files++;
      const text = await readFile(`${entry.parentPath}/${entry.name}`, 'utf8');
      for (const [index, line] of `${entry.name}\n${text}`.split('\n').entries()) {
        if (domainWords.test(line)) found.push(`${root}…/${entry.name}:${index} ${line.trim()}`);
      }
    }
  }
  assert.deepEqual(found, []);
  assert.ok(files > 60, `only ${files} files were read`);
});

test('the search finds a domain in any spelling, and leaves exactly alone', () => {
  for (const line of [
    "topic('xact.events')",
    'class XactEvent',
    'const xactEvents',
    'XACT_TOPIC',
    'toXact()',
    'claimxTask',
    'Verisk',
    'exactly xact',
  ]) {
    assert.match(line, domainWords);
  }
  for (const line of [
    'exactly once',
    'exact resume',
    'Exactly',
    'inexact',
    'exactOptionalPropertyTypes',
    'readExact',
    'EXACT',
    'readExactly()',
  ]) {
    assert.doesNotMatch(line, domainWords);
  }
});
