import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineWorker, done } from '@pipeline-host/sdk';
import type { Clusters } from '../../../host/src/engine/clusters.ts';
import { ensureTopics } from '../../../host/src/engine/topics.ts';
import type { TopicSpec } from '../../../host/src/kafka/driver.ts';
import type { ResolvedTopic, ResolvedWorker } from '../../../host/src/plugins/topology.ts';
import { jobs, resolvedWorker } from './in-memory-unit.ts';

/** A cluster that keeps what is created, with the message limits of some topics. */
function memoryClusters(existing: Readonly<Record<string, number>>, limits: Readonly<Record<string, number>> = {}, most = 1_000) {
  const topics = new Map(Object.entries(existing));
  const created: TopicSpec[] = [];
  const admin = {
    topicRights: async () => new Map(),
    describeTopics: async (names: readonly string[]) =>
      new Map(
        names.map((name) => {
          const partitions = topics.get(name);
          return [name, partitions === undefined ? null : { partitions }];
        }),
      ),
    createTopics: async (specs: readonly TopicSpec[]) => {
      created.push(...specs);
      for (const { name, partitions } of specs) topics.set(name, partitions);
    },
    maxMessageBytes: async (topic: string) => limits[topic],
  };
  return { created, clusters: { get: async () => ({ admin: async () => admin }), mostPartitions: () => most } as unknown as Clusters };
}

function worker(name: string, source: string): ResolvedWorker {
  const base = resolvedWorker({ definition: defineWorker({ consumes: jobs, handle: () => done() }) });
  const consumes: ResolvedTopic = { ...(base.consumes as ResolvedTopic), topic: source };
  return { ...base, id: `p.${name}`, name, consumes, produces: new Map(), retryTopic: `p.${name}.retry`, group: `p-${name}` };
}

describe('topics that the host makes', () => {
  it('take the dead letters of every worker of the plugin, however large its source', async () => {
    const { clusters, created } = memoryClusters({ small: 2, large: 5 }, { small: 1_000, large: 8_000_000 });
    await ensureTopics([worker('a', 'small'), worker('b', 'large')], clusters, true);
    const letters = created.filter(({ name }) => name === 'p.dlq');
    assert.equal(letters.length, 1);
    assert.equal(letters[0]?.partitions, 5);
    assert.equal(letters[0]?.config?.['max.message.bytes'], String(8_000_000 + 64 * 1024));
    const retry = created.find(({ name }) => name === 'p.a.retry');
    assert.equal(retry?.partitions, 2 * 3);
    assert.equal(retry?.config?.['max.message.bytes'], String(1_000 + 64 * 1024));
  });

  it('are waited for where a broker does not know of them yet', async () => {
    const { clusters, created } = memoryClusters({ small: 2 });
    const admin = (await (await clusters.get('default')).admin()) as { describeTopics: (names: readonly string[]) => Promise<unknown> };
    const describeTopics = admin.describeTopics;
    let unknown = 3;
    admin.describeTopics = async (names) =>
      created.length > 0 && unknown-- > 0 ? new Map(names.map((name) => [name, null])) : describeTopics(names);
    const shapes = await ensureTopics([worker('a', 'small')], clusters, true);
    assert.deepEqual(shapes.get('p.a')?.retry, { lanes: 3, classes: 2 });
    assert.equal(unknown, -1);
  });

  it('have the same shape whichever worker is started first', async () => {
    const everyone = ['small', 'large', 'absent'].map((source) => ({
      ...worker(source, source),
      retryTopic: 'p.retry',
      retryShared: true,
    }));
    const shapeMadeBy = async (index: number) => {
      const { clusters, created } = memoryClusters({ small: 2, large: 5 }, { small: 1_000, large: 8_000_000 });
      await ensureTopics(everyone.slice(index, index + 1), clusters, true, everyone);
      return created.filter(({ name }) => name === 'p.retry' || name === 'p.dlq');
    };
    const shape = await shapeMadeBy(0);
    assert.deepEqual(
      shape.map(({ name, partitions, config }) => [name, partitions, config?.['max.message.bytes']]),
      [
        ['p.dlq', 5, String(8_000_000 + 64 * 1024)],
        ['p.retry', 5 * 3, String(8_000_000 + 64 * 1024)],
      ],
    );
    for (const index of [1, 2]) assert.deepEqual(await shapeMadeBy(index), shape);
  });

  it('are used as they are where they exist, and refused where their lanes do not fit', async () => {
    const { clusters, created } = memoryClusters({ small: 2, 'p.a.retry': 8, 'p.dlq': 3 });
    const shapes = await ensureTopics([worker('a', 'small')], clusters, true);
    assert.deepEqual(shapes.get('p.a'), { retry: { lanes: 4, classes: 2 }, deadLetterPartitions: 3 });
    assert.deepEqual(created, []);
    // Of 4 lanes each where 3 are wanted all are read; 5 partitions hold no whole sets, 2 no set for the policy.
    for (const partitions of [5, 2])
      await assert.rejects(ensureTopics([worker('a', 'small')], memoryClusters({ small: 2, 'p.a.retry': partitions }).clusters, true), {
        code: 'PH_RETRY_TOPIC_SHAPE',
      });
  });

  it('have as many lane sets as the cluster allows partitions, and are refused where not one fits', async () => {
    const { clusters, created } = memoryClusters({ wide: 24 }, {}, 32);
    const shapes = await ensureTopics([worker('a', 'wide')], clusters, true);
    assert.equal(created.find(({ name }) => name === 'p.a.retry')?.partitions, 10 * 3);
    assert.deepEqual(shapes.get('p.a')?.retry, { lanes: 3, classes: 10 });
    await assert.rejects(ensureTopics([worker('a', 'wide')], memoryClusters({ wide: 24 }, {}, 2).clusters, true), {
      code: 'PH_RETRY_TOPIC_SHAPE',
      hint: /fewer retry.delays/,
    });
  });

  it('take a source that has grown: its new partitions share the lanes that there are', async () => {
    const { clusters, created } = memoryClusters({ small: 4, 'p.a.retry': 6, 'p.dlq': 2 });
    const shapes = await ensureTopics([worker('a', 'small')], clusters, true);
    assert.deepEqual(shapes.get('p.a')?.retry, { lanes: 3, classes: 2 });
    assert.deepEqual(created, []);
  });

  it('are made once for all workers that share a retry topic, for the widest of them', async () => {
    const { clusters, created } = memoryClusters({ small: 2, wide: 5 }, { wide: 5_000_000 });
    const shared = (name: string, source: string) => ({ ...worker(name, source), retryTopic: 'p.retry', retryShared: true });
    const shapes = await ensureTopics([shared('a', 'small'), shared('b', 'wide')], clusters, true);
    const retry = created.filter(({ name }) => name === 'p.retry');
    assert.deepEqual(
      retry.map(({ partitions, config }) => [partitions, config?.['max.message.bytes']]),
      [[15, String(5_000_000 + 64 * 1024)]],
    );
    assert.deepEqual(shapes.get('p.a')?.retry, { lanes: 3, classes: 5 });
    assert.deepEqual(shapes.get('p.b')?.retry, { lanes: 3, classes: 5 });
  });
});
