import assert from 'node:assert/strict';
import { tmpdir } from 'node:os';
import { after, before, describe, it } from 'node:test';
import { DeadLetters } from '../../../host/src/dlq/dead-letters.ts';
import { retryShape } from '../../../host/src/engine/topics.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { HEADER, headerText } from '../../../host/src/retry/headers.ts';
import { openStore } from '../../../host/src/storage/index.ts';
import { ACTOR, AdminClient, adminSettings } from '../../integration/admin-client.ts';
import { brokerMissing, openSharedBroker, type TestBroker } from '../../integration/brokers.ts';
import { openRelayWorld, type RelayWorld } from '../../integration/relay-world.ts';
import { until } from '../kafka/contract-kit.ts';

const SIGNED = 'https://files.example.com/a.pdf?X-Amz-Signature=f00dfeedf00dfeed';

describe('dead letters over HTTP', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  const settings = adminSettings();
  before(async () => {
    broker = await openSharedBroker();
  });
  after(async () => {
    await broker.close();
    settings[Symbol.dispose]();
  });

  const open = (workers: Record<string, object> = {}): Promise<RelayWorld> =>
    openRelayWorld({
      brokers: broker.brokers,
      config: { http: settings.http },
      workers: { relay: { retry: { delays: ['50ms'] } }, ...workers },
    });
  const untilDead = (world: RelayWorld, count: number) =>
    until(`${count} dead letters`, async () => (await world.deadLetters()).length === count);

  it('are listed newest first, page by page, and the pages stay as they are while new ones arrive', async () => {
    await using world = await open();
    const client = new AdminClient((await world.start({ workers: ['relay'] })).url);
    for (const n of [0, 1, 2, 3, 4, 5, 6]) {
      await world.send([{ key: `key ${n}`, n, poison: true }]);
      await untilDead(world, n + 1);
    }
    const first = await client.list({ limit: '3' });
    await world.send([{ key: 'late', n: 7, poison: true }]);
    await untilDead(world, 8);
    const second = await client.list({ limit: '3', cursor: first.cursor ?? '' });
    const third = await client.list({ limit: '3', cursor: second.cursor ?? '' });
    const keys = [first, second, third].map(({ items }) => items.map(({ key }) => key));
    assert.deepEqual(keys, [['key 6', 'key 5', 'key 4'], ['key 3', 'key 2', 'key 1'], ['key 0']]);
    assert.equal(third.cursor, null);
    assert.equal((await client.list({ limit: '1' })).items[0]?.key, 'late');
  });

  it('say where they come from, what failed, when and how often, and are found by it', async () => {
    await using world = await open();
    const client = new AdminClient((await world.start({ workers: ['relay'] })).url);
    const began = Date.now() - 1;
    await world.send([{ key: 'a', n: 1, poison: true, says: 'no good' }], { headers: { trace_id: 'trace-1' } });
    await world.send([{ key: 'b', n: 2, fails: 9 }]);
    await world.send([{ key: 'c', n: 3 }], { value: '{"key":' });
    await untilDead(world, 3);

    const all = await client.listAll();
    const [poison] = await client.listAll({ code: 'RELAY_POISON' });
    const [sent] = (await (await world.cluster()).read({ topic: world.source })).filter(({ key }) => key?.toString() === 'a');
    assert.ok(poison && sent);
    assert.equal(poison.origin.topic, world.source);
    assert.deepEqual([poison.origin.partition, poison.origin.offset], [sent.partition, String(sent.offset)]);
    assert.deepEqual([poison.plugin, poison.worker, poison.stage, poison.attempts], ['relay', 'relay', 'handle', 1]);
    assert.deepEqual([poison.error.code, poison.error.message], ['RELAY_POISON', 'no good']);
    assert.deepEqual([poison.key, poison.trace, poison.parent], ['a', 'trace-1', null]);
    assert.deepEqual(poison.disposition, { state: 'open', replays: 0, history: [] });
    assert.ok(Date.parse(poison.failedAt ?? '') >= began && Date.parse(poison.storedAt) >= began);

    const keysBy = async (query: Record<string, string>) => (await client.listAll(query)).map(({ key }) => key ?? '').toSorted();
    assert.deepEqual(await keysBy({ stage: 'decode' }), ['c']);
    assert.deepEqual(await keysBy({ key: 'b' }), ['b']);
    assert.deepEqual(await keysBy({ trace: 'trace-1' }), ['a']);
    assert.deepEqual(await keysBy({ plugin: 'relay', worker: 'relay' }), ['a', 'b', 'c']);
    assert.deepEqual(await keysBy({ worker: 'keeper' }), []);
    assert.deepEqual(await keysBy({ disposition: 'replayed' }), []);
    const times = all.map(({ storedAt }) => storedAt);
    assert.deepEqual(times, times.toSorted().toReversed());
    const newest = times[0] ?? '';
    assert.deepEqual((await keysBy({ from: newest })).length, times.filter((time) => time === newest).length);
    assert.deepEqual((await keysBy({ to: newest })).length, times.filter((time) => time < newest).length);
    assert.equal(all.find(({ key }) => key === 'b')?.attempts, 2);
  });

  it('show no signature in the list, and every byte in full', async () => {
    await using world = await open();
    const client = new AdminClient((await world.start({ workers: ['relay'] })).url);
    const value = Buffer.from(JSON.stringify({ key: 'a', n: 1, poison: true, says: SIGNED, big: '12345678901234567890' }));
    const headers = { plain: Buffer.from('text'), raw: Buffer.from([0xff, 0]), twice: ['1', '2'] };
    await (await world.producer()).send({ topic: world.source, key: Buffer.from([0xff, 0x01]), value, headers });
    await (await world.producer()).send({ topic: world.source, key: null, value: null });
    await untilDead(world, 2);

    const list = await client.ask('/dead-letters');
    assert.ok(!JSON.stringify(list.body).includes('f00dfeed'), JSON.stringify(list.body));
    assert.match(JSON.stringify(list.body), /files\.example\.com/);
    const letters = await client.listAll();
    const withValue = letters.find(({ bytes }) => bytes !== null);
    const without = letters.find(({ bytes }) => bytes === null);
    assert.ok(withValue && without);
    const { record } = await client.show(withValue.id);
    assert.equal(record.value?.base64, value.toString('base64'));
    assert.equal(record.value?.text, value.toString());
    assert.deepEqual(record.json, JSON.parse(value.toString()));
    assert.deepEqual(record.key, { base64: '/wE=', text: null });
    const own = record.headers.filter(({ name }) => !name.startsWith('ph.')).map(({ name, value: bytes }) => `${name} ${bytes?.base64}`);
    assert.deepEqual(own.toSorted(), ['plain dGV4dA==', 'raw /wA=', 'twice MQ==', 'twice Mg==']);
    const empty = await client.show(without.id);
    assert.deepEqual([empty.record.value, empty.record.key, empty.record.json], [null, null, undefined]);
  });

  it('are replayed by any process of the plugin to the worker that failed them, with the identity of their outputs', async () => {
    await using world = await open();
    await world.start({ workers: ['relay'] });
    const elsewhere = new AdminClient((await world.start({ workers: ['keeper'] })).url);
    await world.send([{ key: 'a', n: 1, needs: 'mended' }]);
    await untilDead(world, 1);
    const [letter] = await elsewhere.listAll();
    assert.ok(letter);
    world.openGate('mended');
    const replayed = await elsewhere.change(letter.id, 'replay', { reason: 'mended' });
    assert.equal(replayed.status, 200, JSON.stringify(replayed.body));
    const { state, replays, history } = replayed.body.disposition;
    assert.deepEqual([state, replays], ['replayed', 1]);
    assert.deepEqual(
      history.map(({ what, actor, reason }) => [what, actor, reason]),
      [
        ['replaying', ACTOR, 'mended'],
        ['replayed', null, null],
      ],
    );
    await until('the output', async () => (await world.relayed()).length === 1);

    const target = history[1]?.target;
    const lane = await (await world.cluster()).read({ topic: world.worker('relay').retryTopic });
    const stored = lane.find(({ partition, offset }) => partition === target?.partition && offset === target.offset);
    const [dead] = await world.deadLetters();
    assert.ok(stored && dead);
    assert.deepEqual([stored.key, stored.value], [dead.key, dead.value]);
    assert.equal(headerText(stored.headers, HEADER.replay), letter.id);

    const refused = await elsewhere.change(letter.id, 'replay');
    assert.deepEqual([refused.status, refused.body.code], [409, 'PH_DLQ_ALREADY_DISPOSED']);
    const again = await elsewhere.change(letter.id, 'replay', { again: true });
    assert.equal(again.body.disposition.replays, 2);
    await until('the second output', async () => (await world.relayed()).length === 2);
    const outputs = await (await world.cluster()).read({ topic: world.worker('keeper').consumes?.topic ?? '' });
    assert.equal(new Set(outputs.map(({ headers }) => headerText(headers, HEADER.id))).size, 1, 'one identity');
    assert.deepEqual(
      world
        .journal()
        .filter(({ step }) => step === 'start')
        .map(({ attempt }) => attempt),
      [1, 1, 1],
    );
  });

  it('that fail again become new ones with a parent, after all their attempts', async () => {
    await using world = await open();
    const client = new AdminClient((await world.start({ workers: ['relay'] })).url);
    await world.send([{ key: 'a', n: 1, fails: 9 }]);
    await untilDead(world, 1);
    const [parent] = await client.listAll();
    assert.ok(parent);
    await client.change(parent.id, 'replay');
    await untilDead(world, 2);
    const [child] = await client.listAll({ disposition: 'open' });
    assert.deepEqual([child?.parent, child?.attempts, child?.origin], [parent.id, 2, parent.origin]);
    assert.equal((await client.show(parent.id)).disposition.state, 'replayed');
  });

  it('are discarded with who and why, stay where they are, and are replayed only when that is asked for', async () => {
    await using world = await open();
    const first = await world.start({ workers: ['relay'] });
    const client = new AdminClient(first.url);
    await world.send([{ key: 'a', n: 1, needs: 'mended' }]);
    await untilDead(world, 1);
    const [letter] = await client.listAll();
    assert.ok(letter);
    assert.equal((await client.change(letter.id, 'discard', {})).status, 400, 'a reason is wanted');
    assert.equal((await client.change(letter.id, 'discard', { reason: 'a test' })).status, 200);
    await first.stop();

    const next = new AdminClient((await world.start({ workers: ['relay'] })).url);
    const { disposition } = await next.show(letter.id);
    assert.equal(disposition.state, 'discarded');
    assert.deepEqual(
      disposition.history.map(({ what, actor, reason }) => [what, actor, reason]),
      [['discarded', ACTOR, 'a test']],
    );
    assert.equal((await next.change(letter.id, 'discard', { reason: 'once more' })).status, 409);
    assert.equal((await next.change(letter.id, 'replay')).status, 409);
    world.openGate('mended');
    assert.equal((await next.change(letter.id, 'replay', { again: true })).status, 200);
    await until('the output', async () => (await world.relayed()).length === 1);
  });

  it('of a table writer are written exactly once when what refused their row is mended, though the writer restarts', async () => {
    await using world = await open();
    const writer = await world.start({ workers: ['recorder'] });
    await world.send([1, 2, 3].map((n) => ({ key: `key ${n}`, n, needs: n === 2 ? 'mended' : null })));
    await untilDead(world, 1);
    const client = new AdminClient(writer.url);
    const [letter] = await client.listAll();
    assert.deepEqual([letter?.worker, letter?.stage, letter?.error.code], ['recorder', 'write', 'PH_ROW_INVALID']);
    world.openGate('mended');
    const { status, body } = await client.change(letter?.id ?? '', 'replay');
    assert.equal(status, 200, JSON.stringify(body));
    await until('the row', async () => (await world.numbersIn('relay_log')).includes(2));
    await writer.stop();
    await world.start({ workers: ['recorder'] });
    await world.send([{ key: 'key 4', n: 4 }]);
    await until('the row after it', async () => (await world.numbersIn('relay_log')).includes(4));
    assert.deepEqual(await world.numbersIn('relay_log'), [1, 2, 3, 4]);
  });

  it('of a plugin that never ran are none', async () => {
    await using world = await open();
    const worker = world.worker('relay');
    const { plugin, name, cluster, deadLetterTopic, retryTopic, consumes } = worker;
    assert.ok(consumes);
    const letters = new DeadLetters({
      workers: [{ plugin: plugin.name, name, cluster, deadLetterTopic, retryTopic, source: consumes, retry: retryShape(worker) }],
      clusters: { get: (found) => world.cluster(found) },
      defaultCluster: 'default',
      create: true,
      files: openStore(tmpdir()),
      log: createLogger({ level: 'error' }),
    });
    await letters.watch();
    assert.deepEqual(await letters.list({}, { limit: 10, cursor: undefined }), { letters: [], cursor: null });
    await assert.rejects(letters.get(`${deadLetterTopic}:0:0`), { code: 'PH_DLQ_NOT_FOUND' });
    letters.close();
  });

  it('of nobody known, and ids that are none, are refused with what to do', async () => {
    await using world = await open();
    const client = new AdminClient((await world.start({ workers: ['relay'] })).url);
    const { deadLetterTopic } = world.worker('relay');
    await (await world.producer()).send({
      topic: deadLetterTopic,
      partition: 1,
      key: 'x',
      value: 'y',
      headers: { [HEADER.worker]: 'gone' },
    });
    await untilDead(world, 1);
    const [letter] = await client.listAll();
    const refused = await client.change(letter?.id ?? '', 'replay');
    assert.deepEqual([refused.status, refused.body.code], [422, 'PH_DLQ_NOT_REPLAYABLE']);
    assert.equal((await client.change(letter?.id ?? '', 'discard', { reason: 'foreign' })).status, 200);
    for (const id of [`${deadLetterTopic}:1:99`, `${deadLetterTopic}:77:0`, 'other.dlq:0:0', 'nonsense'])
      assert.equal((await client.change(id, 'replay')).body.code, 'PH_DLQ_NOT_FOUND', id);
    assert.equal((await client.ask<{ code: string }>('/dead-letters?cursor=nonsense')).body.code, 'PH_ADMIN_CURSOR_INVALID');
  });
});
