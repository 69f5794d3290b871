import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { chooseVictims, countSentAgain, partOf } from '../../../host/src/cli/demo/chaos.ts';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import type { ResolvedWorker } from '../../../host/src/plugins/topology.ts';
import { HEADER } from '../../../host/src/retry/headers.ts';
import { clusterOf } from '../kafka/contract-kit.ts';

describe('the choice of what is killed', () => {
  const workers = ['a', 'b', 'c', 'd', 'e'];

  it('follows from the seed and comes to every worker before it comes to one again', () => {
    const victims = chooseVictims(workers, 1, 8);
    assert.deepEqual(chooseVictims(workers, 1, 8), victims);
    assert.equal(victims.length, 8);
    assert.deepEqual(victims.slice(0, 5).toSorted(), workers);
    assert.equal(new Set(victims.slice(5)).size, 3);
    assert.notDeepEqual(chooseVictims(workers, 2, 8), victims);
  });

  it('leaves no message out and sends none twice', () => {
    const messages = Array.from({ length: 10 }, (_, n) => ({ topic: 't', key: null, value: String(n) }));
    const parts = Array.from({ length: 4 }, (_, part) => partOf(messages, part, 4));
    assert.deepEqual(parts.flat(), messages);
    assert.deepEqual(partOf(messages.slice(0, 1), 0, 2).length + partOf(messages.slice(0, 1), 1, 2).length, 1);
  });
});

it('a message counts as sent again where another with its identity is in the topic', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'ph-sent-again-'));
  const broker = await openEmbeddedBroker({ dataDir, topics: { 'weather.warm': 1 } });
  const cluster = clusterOf([broker.address]);
  const producer = await cluster.producer();
  for (const id of ['one', 'two', 'one', 'one'])
    await producer.send({ topic: 'weather.warm', key: 'k', value: '{}', headers: { [HEADER.id]: id } });
  // Not from a worker: it has no identity.
  await producer.send({ topic: 'weather.warm', key: 'k', value: '{}' });
  const sifter = { produces: new Map([['warm', { topic: 'weather.warm', cluster: 'default' }]]) } as unknown as ResolvedWorker;
  assert.deepEqual(await countSentAgain([sifter, sifter], async () => cluster), { messages: 4, sentAgain: 2 });
  await cluster.close();
  await broker.close();
  await rm(dataDir, { recursive: true });
});
