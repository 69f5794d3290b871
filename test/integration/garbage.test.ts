import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import type { DeadLetterView } from '@pipeline-host/sdk';
import kafkajs from 'kafkajs';
import type { LocatedRecord, OutgoingRecord, RecordHeaders } from '../../host/src/kafka/driver.ts';
import { HEADER, HOST_PREFIX, headerText } from '../../host/src/retry/headers.ts';
import { cachedDownload, completedResult, downloadTask, eventMessages } from '../xact/samples.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from './brokers.ts';
import { openRelayWorld } from './relay-world.ts';
import { openXactWorld, XACT_WORKERS, type XactWorld } from './xact-world.ts';

/** The header by which the test finds its garbage again. */
const MARK = 'garbage';
/** The default limit of a batch in Kafka, and what its head and the record's lengths take of it. */
const MAX_MESSAGE = 1_048_588;
const FRAMING = 150;

type Garbage = Pick<OutgoingRecord, 'key' | 'value' | 'headers'>;

/** A message of each topic, and which of its fields hold an id, an instant and a whole number. */
const MESSAGES = {
  'events.raw': { message: eventMessages[0], id: 'traceId', instant: 'utcDateTime', whole: null },
  'downloads.pending': { message: downloadTask, id: 'media_id', instant: 'original_timestamp', whole: 'retry_count' },
  'downloads.cached': { message: cachedDownload, id: 'trace_id', instant: 'downloaded_at', whole: 'bytes_downloaded' },
  'downloads.results': { message: completedResult, id: 'assignment_id', instant: 'created_at', whole: 'bytes_downloaded' },
} as const;
type TopicName = keyof typeof MESSAGES;

/** What no reader of the topic can use, by what is wrong with it. */
function garbageFor(topic: TopicName): Readonly<Record<string, Garbage>> {
  const { message, id, instant, whole } = MESSAGES[topic];
  const valid = JSON.stringify(message);
  const but = (fields: Readonly<Record<string, unknown>>): string => JSON.stringify({ ...message, ...fields });
  const values: Readonly<Record<string, string | Buffer | null>> = {
    'no JSON': 'hello',
    'JSON that ends too early': valid.slice(0, -20),
    'JSON with a tail': `${valid}}`,
    'a number': '17',
    'JSON null': 'null',
    'a list of messages': `[${valid}]`,
    'an id that is null': but({ [id]: null }),
    'an id that is missing': but({ [id]: undefined }),
    'a blank id': but({ [id]: ' \t ' }),
    'an id that is too long': but({ [id]: 'x'.repeat(1_000_000) }),
    'an instant that is a list': but({ [instant]: [] }),
    'an instant of 1 MB': but({ [instant]: '2'.repeat(1_000_000) }),
    'an instant beyond all time': valid.replace(JSON.stringify(message?.[instant as never]), '1e400'),
    'deep nesting': `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
    'deep nesting inside': but({ more: 0 }).replace('"more":0', `"more":${'{"a":'.repeat(5_000)}0${'}'.repeat(5_000)}`),
    'bytes that are not UTF-8': Buffer.concat([Buffer.from(valid.slice(0, -1)), Buffer.from(',"note":"caf\xe9"}', 'latin1')]),
    'all bytes': Buffer.from(Array.from({ length: 256 }, (_, byte) => byte)),
    'a byte order mark and UTF-16': Buffer.from(`\ufeff${valid}`, 'utf16le'),
    'no bytes': Buffer.alloc(0),
    'no value': null,
    ...(whole !== null && {
      'a count beyond all numbers': valid.replace(new RegExp(`"${whole}":\\d+`), `"${whole}":1e400`),
      'a count that is negative': but({ [whole]: -1 }),
    }),
  };
  const records: Record<string, Garbage> = {};
  for (const [name, value] of Object.entries(values)) records[name] = { key: 'a key', value };
  return {
    ...records,
    'no key': { key: null, value: 'nothing' },
    'an empty key': { key: '', value: 'nothing' },
    'a key that is not UTF-8': { key: Buffer.from([0xff, 0x00, 0xfe]), value: 'nothing' },
    'headers of all kinds': {
      key: 'a key',
      value: 'nothing',
      headers: {
        retry_count: '3',
        trace_id: Buffer.from([0xff, 0xfe, 0x00]),
        twice: ['one', Buffer.from([0x80])],
        empty: '',
        'no value': undefined,
        ...(JSON.parse('{"__proto__":"a name like any other"}') as Record<string, string>),
        constructor: 'this too',
      },
    },
    'as large as a record can be': { key: 'a key', value: Buffer.alloc(MAX_MESSAGE - FRAMING, 'x') },
  };
}

/** Headers as they stand on the wire, without those of the host. */
function plainHeaders(headers: RecordHeaders | undefined): readonly (readonly [string, readonly string[] | null])[] {
  return Object.entries(headers ?? {})
    .filter(([name]) => !name.startsWith(HOST_PREFIX))
    .map(([name, value]) => [name, value === undefined ? null : [value].flat().map((one) => Buffer.from(one).toString('hex'))] as const)
    .sort(([left], [right]) => (left < right ? -1 : 1));
}

const hex = (part: Buffer | string | null): string | null => (part === null ? null : Buffer.from(part).toString('hex'));

describe('garbage on every topic of xact', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('ends in the dead letters byte for byte, once for each group, while the good records around it go through', async () => {
    await using world = await openXactWorld({ brokers: broker.brokers, seed: 5, messages: 300 });
    const host = await world.start();
    const sent = new Map<string, OutgoingRecord>();
    const good = [...(world.simulation.messages() as Iterable<never>)];
    const producer = await world.producer();
    for (const topic of Object.keys(MESSAGES) as TopicName[]) {
      for (const [name, record] of Object.entries(garbageFor(topic))) {
        const mark = `${topic}: ${name}`;
        const garbage: OutgoingRecord = { ...record, topic: world.topic(topic), headers: { ...record.headers, [MARK]: mark } };
        sent.set(mark, garbage);
        await Promise.all([producer.send(garbage), world.publish(good.splice(0, 3))]);
      }
    }
    await world.publish(good);
    await world.untilThrough();

    const found = Map.groupBy((await world.deadLetters()).filter(isMarked), (letter) => headerText(letter.headers, MARK) ?? '');
    for (const [mark, garbage] of sent) {
      const letters = found.get(mark) ?? [];
      const workers = letters.map(({ headers }) => headerText(headers, HEADER.worker) ?? '');
      assert.deepEqual(workers.toSorted(), readersOf(world, garbage.topic), mark);
      for (const letter of letters) {
        assert.equal(hex(letter.key), hex(garbage.key), `${mark}: key`);
        assert.equal(hex(letter.value), hex(garbage.value), `${mark}: value`);
        assert.deepEqual(plainHeaders(letter.headers), plainHeaders(garbage.headers), `${mark}: headers`);
        assert.match(headerText(letter.headers, HEADER.errorCode) ?? '', /^PH_MESSAGE_(UNREADABLE|INVALID)$/, mark);
        assert.ok((headerText(letter.headers, HEADER.errorMessage) ?? '').length < 300, `${mark}: the reason quotes the record`);
      }
    }
    assert.deepEqual([...found.keys()].toSorted(), [...sent.keys()].toSorted());
    await assertNothingRetried(world);
    await assertSumsWithoutGarbage(world);

    assert.ok(host.status().units.every(({ state }) => state.kind === 'idle'));
    const before = await world.committed('ingester');
    await world.publish(take(world.simulation.stream?.() ?? [], 50));
    await world.untilThrough();
    assert.equal(await world.committed('ingester'), before + 50);
    await assertSumsWithoutGarbage(world);
  });
});

describe('a record that is large only when it is unpacked', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openSharedBroker();
  });
  after(() => broker.close());

  it('ends in the dead letters byte for byte, and the good record behind it goes through', async () => {
    await using world = await openRelayWorld({ brokers: broker.brokers, partitions: 1 });
    const host = await world.start({ workers: ['relay'] });
    const value = Buffer.alloc(8 * 1024 * 1024, 'B');
    const client = new kafkajs.Kafka({ brokers: [...broker.brokers], logLevel: kafkajs.logLevel.NOTHING });
    const producer = client.producer();
    await producer.connect();
    try {
      await producer.send({
        topic: world.source,
        compression: kafkajs.CompressionTypes.GZIP,
        messages: [{ key: 'a key', value, headers: { mine: 'yes' } }],
      });
    } finally {
      await producer.disconnect();
    }
    await world.send([{ key: 'k', n: 1 }]);
    await world.untilThrough({ workers: ['relay'] });

    assert.deepEqual(await world.relayed(), [1]);
    const [letter, ...others] = await world.deadLetters();
    assert.equal(others.length, 0);
    assert.ok(letter?.value?.equals(value) === true);
    assert.equal(hex(letter.key), hex('a key'));
    assert.equal(headerText(letter.headers, 'mine'), 'yes');
    assert.equal(headerText(letter.headers, HEADER.errorCode), 'PH_MESSAGE_UNREADABLE');
    assert.ok(host.status().units.every(({ state }) => state.kind === 'idle'));
  });
});

const isMarked = ({ headers }: LocatedRecord): boolean => headers[MARK] !== undefined;

function readersOf(world: XactWorld, topic: string): readonly string[] {
  return XACT_WORKERS.filter((name) => world.worker(name).consumes?.topic === topic).toSorted();
}

/** Garbage is never tried twice: no retry topic has seen any of it. */
async function assertNothingRetried(world: XactWorld): Promise<void> {
  const cluster = await world.cluster();
  for (const name of ['ingester', 'downloader', 'uploader']) {
    const records = await cluster.read({ topic: world.worker(name).retryTopic });
    assert.deepEqual(records.filter(isMarked), [], name);
  }
}

/** The simulation's sums, for which the test's own garbage was never sent. */
async function assertSumsWithoutGarbage(world: XactWorld): Promise<void> {
  const deadLetters: readonly DeadLetterView[] = (await world.deadLetters())
    .filter((letter) => !isMarked(letter))
    .map(({ headers, value }) => ({
      worker: headerText(headers, HEADER.worker) ?? '',
      code: headerText(headers, HEADER.errorCode) ?? '',
      reason: '',
      value,
    }));
  const sums = await world.simulation.sums({ ...world.results(), deadLetters: async () => deadLetters });
  assert.deepEqual(
    sums.filter(({ expected, actual }) => expected !== actual),
    [],
  );
}

function take<T>(values: Iterable<T>, count: number): readonly T[] {
  const taken: T[] = [];
  for (const value of values) {
    taken.push(value);
    if (taken.length === count) break;
  }
  return taken;
}
