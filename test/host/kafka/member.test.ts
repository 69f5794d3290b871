import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Member } from '../../../host/src/kafka/consume/member.ts';
import type { BrokerInternals, GroupInternals } from '../../../host/src/kafka/kafkajs-internals.ts';
import { silent } from './contract-kit.ts';

/** A member of a group whose coordinator gives these answers to its commits, one after the other. */
async function joined(answers: readonly { readonly throttleTime?: number; readonly clientSideThrottleTime?: number }[]) {
  let commits = 0;
  const coordinator = {
    offsetCommit: async () => answers[commits++] ?? {},
    offsetFetch: async () => ({ responses: [{ topic: 't', partitions: [{ partition: 0, offset: '-1', metadata: null }] }] }),
    heartbeat: async () => ({}),
    isConnected: () => true,
  } as unknown as BrokerInternals;
  const group = {
    memberId: 'm',
    generationId: 1,
    cluster: {},
    coordinator,
    seekOffset: { clear() {} },
    paused: () => [],
    resume() {},
    assigned: () => [{ topic: 't', partitions: [0] }],
  } as unknown as GroupInternals;
  const member = new Member({
    group: 'g',
    handlers: { onBatch() {}, onAssigned() {}, onAccess() {}, onRevoking: async () => {}, onLost() {}, onError() {} },
    log: silent,
    heartbeatInterval: 60_000,
    sessionTimeout: 360_000,
    formerId: null,
    drainDeadline: 1_000,
    nextEpoch: () => 1,
    access() {},
    leave: async () => {},
  });
  await member.joining(group, async () => {});
  return member;
}

test('a commit that is stored while the broker asks for fewer requests says so, however the broker puts it', async () => {
  const member = await joined([{ throttleTime: 0 }, { throttleTime: 40 }, { throttleTime: 0, clientSideThrottleTime: 40 }, {}]);
  const answers: string[] = [];
  for (let offset = 1; offset <= 4; offset++) answers.push(await member.commit(1, [{ topic: 't', partition: 0, offset }]));
  assert.deepEqual(answers, ['committed', 'throttled', 'throttled', 'committed']);
  await member.close();
});
