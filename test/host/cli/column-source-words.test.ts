import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ColumnSource,
  concat,
  constant,
  day,
  firstOf,
  joined,
  json,
  lastPart,
  message,
  sha1,
  sha256,
  text,
  uuid5,
  writtenAt,
} from '@pipeline-host/sdk';
import { sourceWords } from '../../../host/src/cli/tables/column-source-words.ts';

const NAMESPACE = '6ba7b810-9dad-11d1-80b4-00c04fd430c8';
const WORDS: readonly [source: ColumnSource, words: string][] = [
  [text('data.claim.number'), 'data.claim.number as text'],
  [json('data.claim'), 'data.claim as JSON'],
  [message(), 'the whole message'],
  [joined('data.names', ', '), 'data.names joined by ", "'],
  [lastPart(text('type'), '.'), 'what follows the last "." of type'],
  [day(writtenAt()), 'UTC day of time of the write'],
  [firstOf(text('eventId'), uuid5(NAMESPACE, text('traceId'))), `first of eventId, uuid5(${NAMESPACE}) of traceId`],
  [sha1(concat(text('a'), constant('/'), text('b'))), 'SHA-1 of (a followed by always "/" followed by b)'],
  [sha256(firstOf(text('a'), text('b'))), 'SHA-256 of (first of a, b)'],
  [writtenAt(), 'time of the write'],
];

for (const [{ expression }, words] of WORDS) {
  test(`the source of a column in words: ${words}`, () => {
    assert.equal(sourceWords(expression), words);
  });
}
