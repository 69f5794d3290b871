import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import type { Entry } from '../../host/src/dlq/disposition.ts';
import { dispositionTopicOf } from '../../host/src/dlq/queues.ts';
import type { LocatedRecord } from '../../host/src/kafka/driver.ts';
import { createLogger } from '../../host/src/observability/logger.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import { openStore } from '../../host/src/storage/index.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { AdminClient, adminSettings } from './admin-client.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld, type RelayWorld } from './relay-world.ts';

const DAY = 24 * 3_600_000;
const ago = (days: number): Date => new Date(Date.now() - days * DAY);
const silent = createLogger({ level: 'silent' });

/** A relay whose dead letters are all kept in storage, and what a sweep finds there. */
interface StoredLetters extends AsyncDisposable {
  readonly world: RelayWorld;
  /** Sends poison under these keys, two of one key being the same record twice. By key, the dead letters that it became. */
  bury(keys: readonly string[]): Promise<ReadonlyMap<string, readonly LocatedRecord[]>>;
  /** Notes that a dead letter was discarded so many days ago. */
  discarded(letter: LocatedRecord | undefined, days: number): Promise<void>;
  /** Stores something that no dead letter refers to. */
  put(): Promise<string>;
  /** References of what is stored. */
  stored(): readonly string[];
  /** As if all of it, or one, had been stored so many days ago. */
  age(days: number, references?: readonly string[]): void;
}

describe('stored records of dead letters', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  const settings = adminSettings();
  before(async () => {
    broker = await openSharedBroker();
  });
  after(async () => {
    await broker?.close();
    settings[Symbol.dispose]();
  });

  const open = async (retention: number, storage: object = {}): Promise<StoredLetters> => {
    const world = await openRelayWorld({ brokers: broker.brokers, config: { http: settings.http, storage } });
    const topic = world.worker('relay').deadLetterTopic;
    const config = { 'max.message.bytes': '20000', 'retention.ms': String(retention) };
    await (await world.admin()).createTopics([
      { name: topic, partitions: 4, config },
      { name: dispositionTopicOf(topic), partitions: 4, config: { 'retention.ms': '-1' } },
    ]);
    const folder = join(world.folder, 'files', '.dead-letters', topic);
    const stored = (): readonly string[] => readdirSync(folder).map((name) => name.replace('.batch', ''));
    return {
      world,
      stored,
      async bury(keys) {
        const says = randomBytes(30_000).toString('hex');
        const host = await world.start({ workers: ['relay'], log: silent });
        const timestamp = Date.now();
        const messages = keys.map((key) => ({ key, n: keys.indexOf(key), poison: true, says }));
        await world.send(messages, { timestamp });
        await world.untilThrough({ workers: ['relay'] });
        await host.stop();
        const letters = Map.groupBy(await world.deadLetters(), ({ key }) => String(key));
        assert.equal(letters.size, new Set(keys).size);
        assert.equal(stored().length, letters.size, 'the same record is stored once');
        return letters;
      },
      async discarded(letter, days) {
        assert.ok(letter);
        const { partition, offset, timestamp } = letter;
        const token = `${partition}/${offset}`;
        const entry: Entry = { v: 1, kind: 'discarded', partition, offset, timestamp, token, at: ago(days).toISOString(), actor: 'test', reason: 'test' }; // biome-ignore format: one record
        await (await world.producer()).send({ topic: dispositionTopicOf(topic), partition, key: token, value: JSON.stringify(entry) });
      },
      async put() {
        const reference = randomBytes(32).toString('hex');
        await openStore(folder).put(`${reference}.batch`, Buffer.from('x'));
        return reference;
      },
      age(days, references = stored()) {
        for (const reference of references) utimesSync(join(folder, `${reference}.batch`), ago(days), ago(days));
      },
      [Symbol.asyncDispose]: () => world[Symbol.asyncDispose](),
    };
  };
  const referencesOf = (letters: readonly LocatedRecord[] | undefined): readonly string[] => [
    ...new Set((letters ?? []).map(({ headers }) => headerText(headers, HEADER.payload) ?? '')),
  ];

  it('go when every dead letter that refers to them was settled long ago, and stay while one is open', async () => {
    await using buried = await open(-1);
    const letters = await buried.bury(['long ago', 'lately', 'open', 'twice', 'twice']);
    await buried.discarded(letters.get('long ago')?.[0], 31);
    await buried.discarded(letters.get('lately')?.[0], 29);
    assert.equal(letters.get('twice')?.length, 2);
    await buried.discarded(letters.get('twice')?.[0], 31);
    const unknown = await buried.put();
    buried.age(400);
    const host = await buried.world.start({ workers: ['relay'], log: silent });
    const gone = referencesOf(letters.get('long ago'));
    await until('the first one to be deleted', async () => !buried.stored().includes(gone[0] ?? ''));
    const client = new AdminClient(host.url);
    for (const letter of [letters.get('open')?.[0], letters.get('twice')?.[1]]) {
      assert.ok(letter);
      const { record } = await client.show(`${letter.topic}:${letter.partition}:${letter.offset}`);
      assert.equal(record.key?.text, String(letter.key));
      assert.ok((record.value?.text?.length ?? 0) > 20_000);
    }
    await host.stop();
    const kept = ['lately', 'open', 'twice'].flatMap((key) => referencesOf(letters.get(key)));
    // Of the last one nobody knows what it is for, and its topic keeps all dead letters.
    assert.deepEqual(buried.stored().toSorted(), [...kept, unknown].toSorted());
  });

  it('go when retention has deleted what referred to them, and not before', async () => {
    await using buried = await open(7 * DAY);
    const letters = await buried.bury(['open']);
    const [over, within] = [await buried.put(), await buried.put()];
    buried.age(400);
    buried.age(38, [over]);
    buried.age(36, [within]);
    const host = await buried.world.start({ workers: ['relay'], log: silent });
    await until('the older one to be deleted', async () => !buried.stored().includes(over));
    await host.stop();
    assert.deepEqual(buried.stored().toSorted(), [...referencesOf(letters.get('open')), within].toSorted());
  });

  it('stay where the config says so', async () => {
    await using buried = await open(-1, { payloadsFor: 'forever' });
    const letters = await buried.bury(['long ago']);
    await buried.discarded(letters.get('long ago')?.[0], 400);
    buried.age(400);
    const unfinished = join(buried.world.folder, 'files', '.1.part');
    writeFileSync(unfinished, 'x');
    utimesSync(unfinished, ago(2), ago(2));
    const host = await buried.world.start({ workers: ['relay'], log: silent });
    await until('other leftovers to be swept', async () => !existsSync(unfinished));
    await buried.world.untilThrough({ workers: ['relay'] });
    await host.stop();
    assert.equal(buried.stored().length, 1);
  });

  it('are swept to the end by the next process where one was killed at it', async () => {
    await using buried = await open(-1);
    const settled = Array.from({ length: 40 }, (_, nth) => `settled ${nth}`);
    const letters = await buried.bury([...settled, 'open 1', 'open 2']);
    for (const key of settled) await buried.discarded(letters.get(key)?.[0], 31);
    buried.age(40);
    const all = buried.stored().length;
    const killed = await buried.world.spawn(['relay']);
    await until('some to be deleted', async () => buried.stored().length < all);
    await killed.kill('SIGKILL');
    const kept = ['open 1', 'open 2'].flatMap((key) => referencesOf(letters.get(key)));
    assert.ok(kept.every((reference) => buried.stored().includes(reference)));
    const host = await buried.world.start({ workers: ['relay'], log: silent });
    await until('all others to be deleted', async () => buried.stored().length <= kept.length);
    await host.stop();
    assert.deepEqual(buried.stored().toSorted(), kept.toSorted());
  });
});
