import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, it, type TestContext } from 'node:test';
import fc from 'fast-check';
import { alterConfigsApi, describeConfigsApi } from '../../../host/src/embedded/api/configs.ts';
import { fetchApi } from '../../../host/src/embedded/api/fetch.ts';
import { deleteGroupsApi, describeGroupsApi } from '../../../host/src/embedded/api/group-admin.ts';
import { listOffsetsApi } from '../../../host/src/embedded/api/list-offsets.ts';
import { heartbeatApi, joinGroupApi, leaveGroupApi, syncGroupApi } from '../../../host/src/embedded/api/membership.ts';
import { metadataApi } from '../../../host/src/embedded/api/metadata.ts';
import { findCoordinatorApi, offsetCommitApi, offsetFetchApi } from '../../../host/src/embedded/api/offsets.ts';
import { produceApi } from '../../../host/src/embedded/api/produce.ts';
import { alterReassignmentsApi } from '../../../host/src/embedded/api/reassignments.ts';
import { saslAuthenticateApi, saslHandshakeApi } from '../../../host/src/embedded/api/session.ts';
import { createPartitionsApi, createTopicsApi, deleteRecordsApi, deleteTopicsApi } from '../../../host/src/embedded/api/topic-admin.ts';
import {
  addOffsetsToTxnApi,
  addPartitionsToTxnApi,
  endTxnApi,
  initProducerIdApi,
  txnOffsetCommitApi,
} from '../../../host/src/embedded/api/transactions.ts';
import { inspectProducedBatch } from '../../../host/src/embedded/log/produced-batch.ts';
import { FrameReader } from '../../../host/src/embedded/server/frame-reader.ts';
import { MalformedRequest, WireReader } from '../../../host/src/embedded/wire/reader.ts';
import { WireWriter } from '../../../host/src/embedded/wire/writer.ts';
import { buildBatch } from './batch-builder.ts';
import { connectKafka, eventually, type Fixture, startBroker } from './broker-fixture.ts';

const SEED = Number(process.env['FUZZ_SEED'] ?? 20_261_123);
console.log(`fuzz seed ${SEED} (FUZZ_SEED=… to change it)`);

const APIS = [
  ...[produceApi, fetchApi, listOffsetsApi, metadataApi, offsetCommitApi, offsetFetchApi, findCoordinatorApi, joinGroupApi, heartbeatApi],
  ...[
    leaveGroupApi,
    syncGroupApi,
    describeGroupsApi,
    deleteGroupsApi,
    createTopicsApi,
    deleteTopicsApi,
    createPartitionsApi,
    deleteRecordsApi,
  ],
  ...[addPartitionsToTxnApi, addOffsetsToTxnApi, endTxnApi, txnOffsetCommitApi],
  ...[describeConfigsApi, alterConfigsApi, saslHandshakeApi, saslAuthenticateApi, initProducerIdApi, alterReassignmentsApi],
];

/** Bytes as requests have them: small numbers, lengths, text; random bytes alone seldom get past the first length. */
const plausibleBytes = fc
  .array(
    fc.oneof(
      fc.integer({ min: -2, max: 5 }).map((n) => new WireWriter().int16(n)),
      fc.integer({ min: -2, max: 5 }).map((n) => new WireWriter().int32(n)),
      fc.constantFrom(-1, 0, 1, 2 ** 40, -(2 ** 53)).map((n) => new WireWriter().int64(n)),
      fc.constantFrom('t', 'g', '', 'x'.repeat(300), 'no/slash').map((text) => new WireWriter().string(text)),
      fc.uint8Array({ maxLength: 90 }).map((bytes) => new WireWriter().bytes(Buffer.from(bytes))),
    ),
    { maxLength: 30 },
  )
  .map((writers) => Buffer.concat(writers.map((writer) => Buffer.concat(writer.frame().slice(1)))));

const anyBytes = fc.oneof(
  plausibleBytes,
  fc.uint8Array({ maxLength: 200 }).map((bytes) => Buffer.from(bytes)),
);

function frame(key: number, version: number, body: Buffer): Buffer {
  const head = new WireWriter().int16(key).int16(version).int32(7).string('fuzz');
  const payload = Buffer.concat([...head.frame().slice(1), body]);
  const length = Buffer.alloc(4);
  length.writeInt32BE(payload.length);
  return Buffer.concat([length, payload]);
}

async function open(t: TestContext, { broker }: Fixture): Promise<Socket> {
  const [host, port] = broker.address.split(':');
  const socket = connect({ host: host ?? '', port: Number(port) });
  socket.on('error', () => {});
  t.after(() => socket.destroy());
  await once(socket, 'connect');
  return socket;
}

async function assertServes({ admin }: Fixture): Promise<void> {
  assert.ok((await admin.describeCluster()).brokers.length === 1);
}

describe('codec', () => {
  it('reads any bytes as a request or refuses them, and never hangs', () => {
    fc.assert(
      fc.property(fc.constantFrom(...APIS), fc.nat(8), anyBytes, (api, step, bytes) => {
        const [oldest, newest] = api.versions;
        try {
          api.decode(new WireReader(bytes), oldest + (step % (newest - oldest + 1)));
        } catch (error) {
          assert.ok(error instanceof MalformedRequest, String(error));
        }
      }),
      { seed: SEED, numRuns: 20_000 },
    );
  });

  it('does not let a short request claim a large array', () => {
    const huge = new WireWriter().int32(2_000_000_000).int64(0).frame().slice(1);
    assert.throws(() => new WireReader(Buffer.concat(huge)).array((reader) => reader.int8()), MalformedRequest);
    const nested = Buffer.alloc(2_000_000);
    nested.writeInt32BE(1_000_000);
    assert.throws(() => new WireReader(nested).array((reader) => reader.int16()), MalformedRequest);
  });

  it('writes what it reads', () => {
    fc.assert(
      fc.property(fc.maxSafeInteger(), fc.string(), fc.uint8Array(), fc.nat(), (long, text, bytes, varint) => {
        const buffer = Buffer.from(bytes);
        const writer = new WireWriter()
          .int64(long)
          .string(text)
          .splice(buffer)
          .bytes(buffer)
          .unsignedVarint(varint)
          .compactString(text)
          .string(null);
        const [, ...parts] = writer.frame();
        const reader = new WireReader(Buffer.concat(parts));
        assert.deepEqual(
          [
            reader.int64(),
            reader.string(),
            reader.bytes(),
            reader.bytes(),
            reader.unsignedVarint(),
            reader.compactString(),
            reader.nullableString(),
          ],
          [long, text, buffer, buffer, varint, text, null],
        );
        assert.equal(reader.remaining, 0);
      }),
      { seed: SEED },
    );
  });

  it('cuts a stream into the same requests however it arrives', () => {
    const requests = fc.array(fc.uint8Array({ minLength: 8, maxLength: 50 }), { minLength: 1, maxLength: 10 });
    fc.assert(
      fc.property(requests, fc.infiniteStream(fc.integer({ min: 1, max: 40 })), (bodies, sizes) => {
        const stream = Buffer.concat(
          bodies.flatMap((body) => [new WireWriter().int32(body.length).frame()[1] ?? Buffer.alloc(0), Buffer.from(body)]),
        );
        const reader = new FrameReader(1_000);
        const frames: Buffer[] = [];
        for (let at = 0; at < stream.length; ) {
          const size = sizes.next().value;
          frames.push(...reader.push(stream.subarray(at, at + size)));
          at += size;
        }
        assert.deepEqual(
          frames,
          bodies.map((body) => Buffer.from(body)),
        );
      }),
      { seed: SEED },
    );
  });

  it('never takes a batch with a changed byte for a good one', () => {
    const batch = buildBatch({ values: ['some', 'values'] });
    fc.assert(
      fc.property(fc.integer({ min: 8, max: batch.length - 1 }), fc.integer({ min: 1, max: 255 }), (at, change) => {
        if (at >= 12 && at < 16) return; // the leader epoch is not part of the checksum
        const changed = Buffer.from(batch);
        changed.writeUInt8((changed[at] ?? 0) ^ change, at);
        assert.ok('error' in inspectProducedBatch(changed, 1_000));
      }),
      { seed: SEED, numRuns: 1_000 },
    );
  });
});

describe('live socket', () => {
  it('survives any bytes on any connection', async (t) => {
    const bugs: unknown[] = [];
    const fixture = await startBroker(t, { log: (level, message, fields) => level === 'error' && bugs.push(message, fields) });
    await fixture.admin.createTopics({ topics: [{ topic: 't', numPartitions: 2 }] });
    const key = fc.oneof(fc.integer({ min: 0, max: 46 }), fc.constantFrom(-1, 99, 18));
    const request = fc.tuple(key, fc.integer({ min: -1, max: 12 }), anyBytes).map(([api, version, body]) => frame(api, version, body));
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(request, anyBytes), { minLength: 1, maxLength: 5 }), async (chunks) => {
        const socket = await open(t, fixture);
        const closed = once(socket, 'close');
        socket.resume();
        socket.end(Buffer.concat(chunks));
        // Closed by the broker, or by us: a request that waits for others must not outlive its client.
        setTimeout(() => socket.destroy(), 20);
        await closed;
      }),
      { seed: SEED, numRuns: 400, endOnFailure: true },
    );
    await assertServes(fixture);
    assert.deepEqual(bugs, [], 'what is refused is refused on purpose');
  });

  it('closes only the connection that sends garbage, a foreign protocol or too much', async (t) => {
    const fixture = await startBroker(t, { maxRequestBytes: 100_000 });
    const tooLarge = Buffer.alloc(4);
    tooLarge.writeInt32BE(100_001);
    const cases: readonly (readonly [string, Buffer])[] = [
      ['a web request', Buffer.from('GET / HTTP/1.1\r\nHost: x\r\n\r\n')],
      ['a negative length', Buffer.from([255, 255, 255, 255])],
      ['a request over the limit', tooLarge],
      ['an unknown request', frame(77, 0, Buffer.alloc(0))],
      ['an unknown version', frame(3, 99, Buffer.alloc(0))],
      ['a request that ends too early', frame(0, 7, Buffer.from([0]))],
    ];
    for (const [what, bytes] of cases) {
      const [bad, good] = [await open(t, fixture), await open(t, fixture)];
      const closed = once(bad, 'close');
      bad.resume();
      bad.write(bytes);
      await closed;
      good.write(frame(18, 0, Buffer.alloc(0)));
      const [answer] = (await once(good, 'data')) as [Buffer];
      assert.equal(answer.readInt32BE(4), 7, `${what}: other connections are answered`);
      good.destroy();
    }
    await assertServes(fixture);
  });

  it('tells a client of newer versions which ones it has', async (t) => {
    const socket = await open(t, await startBroker(t));
    socket.write(frame(18, 3, Buffer.from([0, 0, 0])));
    const [answer] = (await once(socket, 'data')) as [Buffer];
    assert.equal(answer.readInt16BE(8), 35);
    const apis = new WireReader(answer.subarray(10)).array((reader) => [reader.int16(), reader.int16(), reader.int16()]);
    assert.deepEqual(
      apis.find(([key]) => key === 1),
      [1, 4, 11],
    );
  });

  it('answers in the order of the requests, whatever each of them takes', async (t) => {
    const fixture = await startBroker(t);
    fixture.broker.faults.push({ api: 'Metadata', action: { delayMs: 100 } });
    const socket = await open(t, fixture);
    const numbered = (key: number, version: number, correlation: number, body: Buffer): Buffer => {
      const bytes = frame(key, version, body);
      bytes.writeInt32BE(correlation, 8);
      return bytes;
    };
    const metadata = numbered(3, 1, 1, Buffer.alloc(4));
    socket.write(Buffer.concat([metadata, ...[2, 3, 4].map((id) => numbered(18, 0, id, Buffer.alloc(0)))]));
    const frames = new FrameReader(1 << 20);
    const order: number[] = [];
    socket.on('data', (chunk) => order.push(...frames.push(chunk).map((answer) => answer.readInt32BE(0))));
    await eventually('four answers', () => order.length === 4);
    assert.deepEqual(order, [1, 2, 3, 4]);
  });

  it('waits for the bytes that a fetch asks for, and no longer than it says', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'awaited', numPartitions: 1 }] });
    await fixture.producer.send({ topic: 'awaited', messages: [{ value: 'small' }] });
    const socket = await open(t, fixture);
    const fetch = async (maxWaitMs: number): Promise<{ readonly took: number; readonly bytes: number }> => {
      const body = new WireWriter()
        .int32(-1)
        .int32(maxWaitMs)
        .int32(10_000)
        .int32(1 << 20)
        .int8(0)
        .int32(1)
        .string('awaited');
      body
        .int32(1)
        .int32(0)
        .int64(0)
        .int32(1 << 20);
      const started = performance.now();
      socket.write(frame(1, 4, Buffer.concat(body.frame().slice(1))));
      const frames = new FrameReader(1 << 20);
      const answer = await new Promise<Buffer>((resolve) => {
        const receive = (chunk: Buffer): void => {
          const [whole] = frames.push(chunk);
          if (!whole) return;
          socket.off('data', receive);
          resolve(whole);
        };
        socket.on('data', receive);
      });
      return { took: performance.now() - started, bytes: answer.length };
    };
    const late = await fetch(300);
    assert.ok(late.took >= 280 && late.took < 2_000, `too little there: ${late.took} ms`);
    assert.ok(late.bytes > 60, 'what there is comes with it');
    const waiting = fetch(10_000);
    await fixture.producer.send({ topic: 'awaited', messages: [{ value: 'a little more' }] });
    await fixture.producer.send({ topic: 'awaited', messages: [{ value: 'x'.repeat(10_000) }] });
    const early = await waiting;
    assert.ok(early.took < 5_000 && early.bytes > 10_000);
  });

  it('holds back answers for a client that does not read, instead of holding them in memory', async (t) => {
    const fixture = await startBroker(t);
    await fixture.admin.createTopics({ topics: [{ topic: 'big', numPartitions: 1 }] });
    for (let i = 0; i < 20; i++) await fixture.producer.send({ topic: 'big', messages: [{ value: Buffer.alloc(1_000_000, 'x') }] });
    const body = new WireWriter()
      .int32(-1)
      .int32(0)
      .int32(1)
      .int32(50 << 20)
      .int8(0)
      .int32(1)
      .string('big');
    body
      .int32(1)
      .int32(0)
      .int64(0)
      .int32(50 << 20);
    const fetch = frame(1, 4, Buffer.concat(body.frame().slice(1)));
    const slow = await open(t, fixture);
    slow.pause();
    const before = process.memoryUsage().rss;
    slow.write(Buffer.concat(Array.from({ length: 200 }, () => fetch))); // 4 GB of answers
    await eventually('the broker is at it', () => slow.bytesWritten === 200 * fetch.length);
    for (let i = 0; i < 20; i++) await assertServes(fixture);
    assert.ok(process.memoryUsage().rss - before < 300 << 20, 'a few answers at most are in memory');
    slow.destroy();
    await assertServes(fixture);
  });

  it('asks for the right password where users are given', async (t) => {
    const fixture = await startBroker(t, {
      sasl: { users: { me: 'secret' } },
      client: { sasl: { mechanism: 'plain', username: 'me', password: 'secret' } },
    });
    await assertServes(fixture);
    for (const [username, password] of [
      ['me', 'wrong'],
      ['constructor', 'secret'],
      ['', ''],
    ] as const) {
      const admin = connectKafka(fixture.broker.address, {
        sasl: { mechanism: 'plain', username, password },
        retry: { retries: 0 },
      }).admin();
      await assert.rejects(admin.connect(), /Authentication failed|SASL/i);
    }
    const scram = connectKafka(fixture.broker.address, {
      sasl: { mechanism: 'scram-sha-256', username: 'me', password: 'secret' },
      retry: { retries: 0 },
    });
    await assert.rejects(scram.admin().connect());
    const nobody = await open(t, fixture);
    const closed = once(nobody, 'close');
    nobody.resume();
    nobody.write(frame(3, 1, Buffer.alloc(4)));
    await closed;
  });

  it('drops and delays what faults are meant for, and nothing else', async (t) => {
    const fixture = await startBroker(t, { client: { retry: { retries: 0 } } });
    await fixture.admin.createTopics({ topics: [{ topic: 't' }] });
    fixture.broker.faults.push({ api: 'ListOffsets', topic: 't', action: 'drop' });
    await assert.rejects(fixture.admin.fetchTopicOffsets('t'));
    fixture.broker.faults.push({ api: 'ListOffsets', topic: 'other', action: 'drop' });
    const admin = connectKafka(fixture.broker.address).admin();
    await admin.connect();
    assert.equal((await admin.fetchTopicOffsets('t')).length, 1);
    fixture.broker.faults.clear();
    fixture.broker.faults.push({ api: 'ListOffsets', action: { delayMs: 150 } });
    const start = performance.now();
    await admin.fetchTopicOffsets('t');
    assert.ok(performance.now() - start >= 140);
    await admin.disconnect();
  });
});
