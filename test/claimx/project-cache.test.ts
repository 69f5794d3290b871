import assert from 'node:assert/strict';
import { it } from 'node:test';
import { ProjectCache } from '../../plugins/claimx/src/project-cache.ts';

const facts = { policyholderEmail: null };

it('a project is remembered for its time and no longer', () => {
  let now = 0;
  const cache = new ProjectCache({ ttl: 100, size: 10, now: () => now });
  cache.add('1', facts);
  now = 99;
  assert.equal(cache.get('1'), facts);
  now = 100;
  assert.equal(cache.get('1'), null);
  cache.add('1', facts);
  cache.delete('1');
  assert.equal(cache.get('1'), null);
});

it('no more projects are remembered than its size, those that were written last', () => {
  const cache = new ProjectCache({ ttl: 100, size: 2, now: () => 0 });
  for (const id of ['1', '2', '1', '3']) cache.add(id, facts);
  assert.deepEqual(
    ['1', '2', '3'].map((id) => cache.get(id) !== null),
    [true, false, true],
  );
  const none = new ProjectCache({ ttl: 100, size: 0 });
  none.add('1', facts);
  assert.equal(none.get('1'), null);
});
