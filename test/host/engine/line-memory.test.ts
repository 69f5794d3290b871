import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchLines, LineMemory } from '../../../host/src/engine/tables/line-memory.ts';

const TEXTS = ['short', 'größer', '漢字'.repeat(300), '👍', '', 'x'.repeat(1_000)];
const joined = (lines: readonly Buffer[]): string => lines.map((line) => `${line.toString('utf8')}\n`).join('');

test('lines stay as they are while others are made, however many, however long and in whatever script', () => {
  const block = new LineMemory().take();
  const texts = Array.from({ length: 3_000 }, (_, n) => (n % 700 === 0 ? 'é'.repeat(400_000) : (TEXTS[n % TEXTS.length] ?? '')));
  const lines = texts.map((text) => block.add(text));
  for (const [at, text] of texts.entries()) assert.ok(lines[at]?.equals(Buffer.from(text)), `line ${at}`);
});

test('all lines of a block are its bytes, with a line feed behind each, in the order in which they came', () => {
  const block = new LineMemory().take();
  const lines = Array.from({ length: 20 }, (_, n) => block.add(TEXTS[n % TEXTS.length] ?? ''));
  assert.equal(block.whole(lines.length)?.toString('utf8'), joined(lines));
  assert.equal(block.bytes, Buffer.byteLength(joined(lines)));
});

test('some lines of a block, and lines in two pieces of memory, are no bytes of its own', () => {
  const block = new LineMemory().take();
  const first = block.memory;
  const long = 'y'.repeat(80_000); // 240 KB at the most
  block.add(long);
  assert.equal(block.memory, first);
  assert.equal(block.whole(0), null);
  assert.notEqual(block.whole(1), null);
  block.add(long);
  assert.notEqual(block.memory, first);
  assert.equal(block.whole(2), null);
  assert.equal(block.whole(1), null);
});

test('a batch has the memory of one that was released, and of no other', () => {
  const memory = new LineMemory();
  const [first, second, third] = [new BatchLines(), new BatchLines(), new BatchLines()];
  const kept = first.block(memory).add('of the first');
  assert.notEqual(second.block(memory).memory, first.block(memory).memory);
  assert.equal(first.block(memory), first.block(memory));
  const free = second.block(memory).memory;
  second.release();
  assert.equal(third.block(memory).memory, free);
  third.block(memory).add('of the third');
  assert.equal(kept.toString('utf8'), 'of the first');
});

test('a batch as long as the one before it needs no second piece of memory, and far too much is not kept', () => {
  const memory = new LineMemory();
  const write = (count: number): Buffer => {
    const batch = new BatchLines();
    const block = batch.block(memory);
    for (let n = 0; n < count; n++) block.add('z'.repeat(1_000));
    batch.release();
    return block.memory;
  };
  write(5_000);
  const next = memory.take();
  const start = next.memory;
  for (let n = 0; n < 5_000; n++) next.add('z'.repeat(1_000));
  assert.equal(next.memory, start);
  const beside = memory.take();
  const other = beside.memory;
  for (let n = 0; n < 5_000; n++) beside.add('z'.repeat(1_000));
  assert.equal(beside.memory, other);
  memory.give(next);
  write(1);
  assert.ok(memory.take().memory.length < start.length);
});
