import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { checkWaitingRecords } from '../../../host/src/engine/waiting-records.ts';
import type { KafkaCluster } from '../../../host/src/kafka/driver.ts';
import { layoutFor, type RetryLayout, retryPartition } from '../../../host/src/retry/layout.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../../integration/brokers.ts';
import { clusterOf, unique } from '../kafka/contract-kit.ts';

describe('records that wait in a retry topic', { skip: brokerMissing() }, () => {
  const five = { lanes: 5, classes: 6 };
  let broker: TestBroker;
  let cluster: KafkaCluster;
  before(async () => {
    broker = await openSharedBroker();
    cluster = clusterOf(broker.brokers);
  });
  after(async () => {
    await cluster.close();
    await broker.close();
  });

  /** A retry topic of 6 source partitions with 5 lanes, and what waits in it. */
  async function retryTopic(waiting: readonly { readonly source: number; readonly lane: number; readonly worker?: string }[]) {
    const topic = unique('retry');
    await (await cluster.admin()).createTopics([{ name: topic, partitions: 30 }]);
    const producer = await cluster.producer();
    for (const { source, lane, worker = 'w' } of waiting) {
      const headers = {
        'ph.worker': worker,
        'ph.origin.partition': String(source),
        ...(lane > 0 && { 'ph.due-at': String(Date.now() + 600_000) }),
      };
      await producer.send({ topic, partition: retryPartition(five, source, lane), key: 'a', value: '{}', headers });
    }
    return { id: 'p.w', name: 'w', group: unique('group'), retryTopic: topic };
  }
  /** As the topic is read where the policy has so many lanes. */
  const layoutOf = (lanes: number): RetryLayout => {
    const layout = layoutFor({ lanes, wholeSets: false }, 30, 6);
    assert.ok(layout);
    return layout;
  };
  const refused = { code: 'PH_RETRY_TOPIC_SHAPE', message: /5 sets of 6 lanes/, hint: /until the retry topic is drained/ };

  it('are found where they were put, and lanes may be taken out of the policy', async () => {
    const worker = await retryTopic([0, 1, 5].flatMap((source) => [0, 1, 4].map((lane) => ({ source, lane }))));
    await checkWaitingRecords(cluster, worker, layoutOf(5));
    await checkWaitingRecords(cluster, worker, layoutOf(3));
  });

  it('refuse a policy with another lane, though its sets fit into the partitions that there are', async () => {
    assert.deepEqual(layoutOf(6), { lanes: 6, classes: 5 });
    // Of the set of another source partition; and of its own, in the lane that is for replays now.
    await assert.rejects(checkWaitingRecords(cluster, await retryTopic([{ source: 5, lane: 4 }]), layoutOf(6)), refused);
    await assert.rejects(checkWaitingRecords(cluster, await retryTopic([{ source: 1, lane: 1 }]), layoutOf(6)), refused);
  });

  it('refuse nothing once they are settled, nor where they are of another worker', async () => {
    const drained = await retryTopic([{ source: 5, lane: 4 }]);
    await (await cluster.admin()).setOffsets(drained.group, drained.retryTopic, [{ partition: 29, offset: 1 }]);
    await checkWaitingRecords(cluster, drained, layoutOf(6));
    await checkWaitingRecords(cluster, await retryTopic([{ source: 5, lane: 4, worker: 'other' }]), layoutOf(6));
  });
});
