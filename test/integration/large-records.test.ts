import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import kafkajs from 'kafkajs';
import { createLogger } from '../../host/src/observability/logger.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import { type ObjectStore, openStore } from '../../host/src/storage/index.ts';
import { AdminClient, adminSettings } from './admin-client.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld, type RelayWorld } from './relay-world.ts';

/** Compresses badly. */
const noise = (characters: number): string => randomBytes(characters / 2).toString('hex');

describe('records that are too large', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  const settings = adminSettings();
  before(async () => {
    broker = await openSharedBroker();
  });
  after(async () => {
    await broker?.close();
    settings[Symbol.dispose]();
  });

  /** A pipeline whose topics of outputs and of dead letters take batches of up to so many bytes. */
  const open = async (mostBytes: number): Promise<RelayWorld> => {
    const world = await openRelayWorld({ brokers: broker.brokers, config: { http: settings.http, kafka: { compression: 'lz4' } } });
    const topics = [world.worker('relay').deadLetterTopic, world.worker('keeper').consumes?.topic ?? ''];
    const config = { 'max.message.bytes': String(mostBytes) };
    await (await world.admin()).createTopics(topics.map((name) => ({ name, partitions: 4, config })));
    return world;
  };
  const start = async (world: RelayWorld) =>
    new AdminClient((await world.start({ workers: ['relay'], log: createLogger({ level: 'silent' }) })).url);
  const filesOf = (world: RelayWorld): ObjectStore => openStore(`${world.folder}/files`);

  it('as one output among others: none of them is sent, and their record is dead once, while others go on', async () => {
    await using world = await open(50_000);
    await start(world);
    await world.send([
      { key: 'a', n: 1, pads: [1_000, 150_000] },
      { key: 'b', n: 2, pads: [1_000] },
      { key: 'a', n: 3 },
    ]);
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), [2, 2, 3]);
    const letters = await world.deadLetters();
    assert.deepEqual(
      letters.map(({ headers, key }) => [String(key), headerText(headers, HEADER.errorCode), headerText(headers, HEADER.attempts)]),
      [['a', 'PH_MESSAGE_TOO_LARGE', '1']],
    );
    assert.equal(world.starts().get(1), 1);
  });

  it('as dead letters are kept in storage, shown whole and replayed byte for byte', async () => {
    await using world = await open(50_000);
    const client = await start(world);
    const value = JSON.stringify({ key: 'a', n: 1, needs: 'mended', says: noise(200_000) });
    await world.send([{ key: 'a', n: 1 }], { value, headers: { trace_id: 't1', raw: Buffer.from([0xff, 0]), twice: ['1', '2'] } });
    await world.untilThrough({ workers: ['relay'] });

    const [letter, ...others] = await client.listAll();
    assert.ok(letter);
    assert.equal(others.length, 0);
    assert.deepEqual([letter.error.code, letter.key, letter.trace], ['RELAY_UNMENDED', 'a', 't1']);
    assert.deepEqual([letter.bytes, letter.preview], [value.length, null]);
    assert.match(letter.payload ?? '', /^[0-9a-f]{64}$/);
    const { record } = await client.show(letter.id);
    assert.equal(record.value?.text, value);
    assert.equal(record.key?.text, 'a');
    const own = record.headers.filter(({ name }) => !name.startsWith('ph.')).map(({ name, value: bytes }) => `${name} ${bytes?.base64}`);
    assert.deepEqual(own.toSorted(), ['raw /wA=', 'trace_id dDE=', 'twice MQ==', 'twice Mg==']);

    world.openGate('mended');
    assert.equal((await client.change(letter.id, 'replay')).status, 200);
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), [1]);
    const [copy] = await (await world.cluster()).read({ topic: world.worker('relay').retryTopic });
    assert.equal(String(copy?.value), value);
    assert.deepEqual(copy?.headers['raw'], Buffer.from([0xff, 0]));
    assert.equal(headerText(copy?.headers, HEADER.payload), undefined);
    assert.equal(headerText(copy?.headers, HEADER.originTopic), world.source);
  });

  it('are kept also where the key or the headers are what is large, and there is no value', async () => {
    await using world = await open(50_000);
    const client = await start(world);
    const key = noise(100_000);
    await world.send([{ key: 'b', n: 1 }], { key, value: null });
    await world.send([{ key: 'b', n: 2 }], { key: 'b', value: null, headers: { large: noise(100_000) } });
    await world.untilThrough({ workers: ['relay'] });
    const letters = await client.listAll();
    assert.deepEqual(
      letters.map(({ bytes, error }) => [bytes, error.code]),
      [
        [null, 'PH_MESSAGE_UNREADABLE'],
        [null, 'PH_MESSAGE_UNREADABLE'],
      ],
    );
    const shown = await Promise.all(letters.map(async ({ id }) => (await client.show(id)).record));
    assert.ok(shown.every(({ value }) => value === null));
    assert.deepEqual(new Set(shown.map((record) => record.key?.text)), new Set([key, 'b']));
    assert.equal(shown.flatMap(({ headers }) => headers).find(({ name }) => name === 'large')?.value?.text?.length, 100_000);
  });

  it('whose stored record is gone or changed say so, and can be discarded', async () => {
    await using world = await open(50_000);
    const client = await start(world);
    await world.send([{ key: 'a', n: 1, poison: true }], {
      value: JSON.stringify({ key: 'a', n: 1, poison: true, says: noise(200_000) }),
    });
    await world.untilThrough({ workers: ['relay'] });
    const [{ id } = { id: '' }] = await client.listAll();
    const files = filesOf(world);
    const [{ path } = { path: '' }] = await files.list('.dead-letters');
    const codeOf = async (answer: Promise<{ readonly status: number; readonly body: unknown }>) => {
      const { status, body } = await answer;
      return [status, (body as { readonly code?: string }).code];
    };
    const show = () => codeOf(client.ask(`/dead-letters/${encodeURIComponent(id)}`));
    await files.put(path, Buffer.from('changed'));
    assert.deepEqual(await show(), [500, 'PH_DLQ_PAYLOAD_DAMAGED']);
    await files.delete(path);
    assert.deepEqual(await show(), [404, 'PH_DLQ_PAYLOAD_MISSING']);
    assert.deepEqual(await codeOf(client.change(id, 'replay')), [404, 'PH_DLQ_PAYLOAD_MISSING']);
    assert.equal((await client.list()).items[0]?.disposition.state, 'open');
    assert.equal((await client.change(id, 'discard', { reason: 'its record is lost' })).status, 200);
  });

  it('when they are unpacked become one dead letter of the batch as it is stored, which is not replayed, and the next goes on', async () => {
    await using world = await open(1_000_000);
    const client = await start(world);
    const producer = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING }).producer();
    await producer.connect();
    const messages = [1, 2].map(() => ({ key: 'a', value: Buffer.alloc(33 * 1024 * 1024) }));
    await producer.send({ topic: world.source, compression: kafkajs.CompressionTypes.GZIP, messages });
    await producer.disconnect();
    await world.send([{ key: 'a', n: 1 }]);
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), [1]);
    const [letter, ...others] = await client.listAll();
    assert.ok(letter);
    assert.equal(others.length, 0);
    assert.deepEqual([letter.error.code, letter.attempts], ['PH_BATCH_UNREADABLE', 1]);
    const { record } = await client.show(letter.id);
    assert.equal(Buffer.from(record.value?.base64 ?? '', 'base64').readInt32BE(57), 2, 'the records that the batch says it has');
    assert.equal((await client.change(letter.id, 'replay')).status, 422);
  });
});
