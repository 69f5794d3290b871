import assert from 'node:assert/strict';
import { test } from 'node:test';
import { murmur2, partitionOf } from '../../../host/src/kafka/produce/partitioner.ts';

// org.apache.kafka.common.utils.UtilsTest#testMurmur2
const JAVA: readonly (readonly [string, number])[] = [
  ['21', -973932308],
  ['foobar', -790332482],
  ['a-little-bit-long-string', -985981536],
  ['a-little-bit-longer-string', -1486304829],
  ['lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8', -58897971],
  ['abc', 479470107],
];

test('murmur2 gives the hashes that the Java client gives', () => {
  for (const [text, hash] of JAVA) assert.equal(murmur2(Buffer.from(text)), hash, text);
});

test('a key falls into the same partition as with the Java client', () => {
  // toPositive clears the sign bit, it does not negate.
  assert.equal(partitionOf('foobar', 6), (-790332482 & 0x7fffffff) % 6);
  assert.equal(partitionOf(Buffer.from('abc'), 6), 479470107 % 6);
});
