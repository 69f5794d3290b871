import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BlockMemory } from '../../../host/src/engine/tables/block-memory.ts';

const placeOf = async (memory: BlockMemory, bytes: number): Promise<ArrayBufferLike> =>
  await memory.lend(bytes, async (lent) => {
    assert.equal(lent.length, bytes);
    return lent.buffer;
  });

test('a block has the memory of the one before it, if that is long enough and not far too long', async () => {
  const memory = new BlockMemory();
  const first = await placeOf(memory, 80_000);
  assert.equal(await placeOf(memory, 85_000), first);
  assert.equal(await placeOf(memory, 30_000), first);
  const longer = await placeOf(memory, 100_000);
  assert.notEqual(longer, first);
  assert.notEqual(await placeOf(memory, 1_000), longer);
});

test('blocks at once never share memory, and a block that fails gives its own back', async () => {
  const memory = new BlockMemory();
  const inner: ArrayBufferLike[] = [];
  const outer = await memory.lend(1_000, async (lent) => {
    lent.fill(1);
    await memory.lend(1_000, async (other) => {
      other.fill(2);
      inner.push(other.buffer);
    });
    assert.ok(lent.every((byte) => byte === 1));
    return lent.buffer;
  });
  assert.notEqual(inner[0], outer);
  const failed: ArrayBufferLike[] = [];
  const failure = memory.lend(1_000, async (lent) => {
    failed.push(lent.buffer);
    throw new Error('no room');
  });
  await assert.rejects(failure, /no room/);
  assert.equal(await placeOf(memory, 1_000), failed[0]);
});
