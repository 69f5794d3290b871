import assert from 'node:assert/strict';
import { test } from 'node:test';
import { assignLanes } from '../../../host/src/kafka/consume/assigner.ts';

const lane = { source: 'in', topic: 'in.retry', lanes: 5 };

test('a lane set follows its source partition to one member', () => {
  const assigned = assignLanes(
    ['c', 'a', 'b'],
    new Map([
      ['in', 6],
      ['in.retry', 30],
    ]),
    lane,
  );
  for (const topics of assigned.values()) {
    const source = topics['in'] ?? [];
    assert.deepEqual(
      topics['in.retry']?.toSorted((x, y) => x - y),
      source.flatMap((p) => [0, 1, 2, 3, 4].map((l) => p * 5 + l)),
    );
  }
  assert.deepEqual(
    [...assigned.values()].flatMap((topics) => topics['in'] ?? []).toSorted((x, y) => x - y),
    [0, 1, 2, 3, 4, 5],
  );
});

test('where the lane topic has no room for all, the partitions of one class share a lane set and a member', () => {
  const assigned = assignLanes(
    ['a', 'b'],
    new Map([
      ['in', 12],
      ['in.retry', 30],
    ]),
    lane,
  );
  for (const topics of assigned.values()) {
    const classes = new Set((topics['in'] ?? []).map((p) => p % 6));
    assert.deepEqual(new Set((topics['in.retry'] ?? []).map((q) => Math.floor(q / 5))), classes);
  }
  assert.equal([...assigned.values()].flatMap((topics) => topics['in'] ?? []).length, 12);
});

test('every partition of every topic has one owner, also those beyond the last whole lane set', () => {
  const counts = new Map([
    ['in', 4],
    ['in.retry', 23],
    ['other', 7],
  ]);
  const assigned = assignLanes(['a', 'b', 'c'], counts, lane);
  for (const [topic, count] of counts) {
    const owned = [...assigned.values()].flatMap((topics) => topics[topic] ?? []);
    assert.deepEqual(
      owned.toSorted((x, y) => x - y),
      Array.from({ length: count }, (_, p) => p),
      topic,
    );
  }
});

test('members beyond the partitions hold nothing, and topics without lanes spread evenly', () => {
  const assigned = assignLanes(['a', 'b', 'c', 'd'], new Map([['in', 3]]), undefined);
  assert.deepEqual(
    [...assigned.values()].map((topics) => topics['in']?.length ?? 0),
    [1, 1, 1, 0],
  );
});
