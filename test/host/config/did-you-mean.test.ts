import assert from 'node:assert/strict';
import { it } from 'node:test';
import { nearest } from '../../../host/src/config/did-you-mean.ts';

it('suggests the name that was probably meant, and nothing where none is near', () => {
  const known = ['brokers', 'partitions', 'createTopics', 'result-processor'];
  for (const [written, meant] of [
    ['brokrs', 'brokers'],
    ['Brokers', 'brokers'],
    ['create_topics', 'createTopics'],
    ['partition', 'partitions'],
    ['resultprocessor', 'result-processor'],
    ['zookeeper', null],
    ['', null],
  ] as const) {
    assert.equal(nearest(written, known), meant, written);
  }
  assert.equal(nearest('anything', []), null);
});
