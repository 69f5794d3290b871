import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { UnitStatus } from '../../host/src/engine/status.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import type { RunningHost } from '../../host/src/supervisor/host.ts';
import { runCommand } from '../host/cli/command-line.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerKind } from './brokers.ts';
import { numbers, openRelayWorld, type RelayWorld } from './relay-world.ts';
import { type Grant, type KafkaSection, PASSWORD, type SecureKafka, secureKafkaMissing, startSecureKafka } from './secure-kafka.ts';

const RELAY = fileURLToPath(new URL('./fixtures/relay', import.meta.url));

/** Why the suite must be skipped, or false. */
function missing(): string | false {
  if (brokerKind() === 'external') return "a user's cluster has rights of its own";
  const why = secureKafkaMissing();
  if (why === undefined) return false;
  console.error(`\n*** SKIPPED, SASL_SSL, MTLS AND ACLS ARE NOT PROVEN: ${why} ***\n`);
  return why;
}

const TOPICS = ['work', 'relayed', 'relay.retry', 'dlq'];

/** Everything that the worker `relay` needs, and what the host needs to make its topics. */
function rightsOf(prefix: string): readonly Grant[] {
  return [
    ...TOPICS.map((name): Grant => ({ on: 'topic', name: `${prefix}.${name}`, operation: 'create' })),
    { on: 'topic', name: `${prefix}.work`, operation: 'read' },
    { on: 'topic', name: `${prefix}.relayed`, operation: 'write' },
    { on: 'topic', name: `${prefix}.relay.retry`, operation: 'read' },
    { on: 'topic', name: `${prefix}.relay.retry`, operation: 'write' },
    { on: 'topic', name: `${prefix}.dlq`, operation: 'write' },
    { on: 'group', name: `${prefix}-relay`, operation: 'read' },
  ];
}

describe('a broker that asks who is there', { skip: missing() }, () => {
  let kafka: SecureKafka;
  before(async () => {
    kafka = await startSecureKafka();
  });
  after(() => kafka.close());

  /** The relay on the right credentials; the onlooker of the test comes in plain. */
  async function openWorld(section: KafkaSection, prefix = unique('secure')): Promise<RelayWorld> {
    await kafka.grant(...rightsOf(prefix));
    return openRelayWorld({
      brokers: section.brokers,
      partitions: 2,
      settings: { prefix },
      config: { kafka: { ...section } },
      onlooker: kafka.apache.brokers,
      env: { KAFKA_PASSWORD: PASSWORD },
    });
  }

  const unitOf = (host: RunningHost): UnitStatus => {
    const [unit] = host.status().units;
    assert.ok(unit);
    return unit;
  };

  async function untilPaused(host: RunningHost, code: string): Promise<UnitStatus> {
    await until(
      `paused(auth: ${code})`,
      () => {
        const { state } = unitOf(host);
        assert.notEqual(state.kind, 'failed', JSON.stringify(state));
        return state.kind === 'paused' && state.code === code;
      },
      30_000,
    );
    return unitOf(host);
  }

  /** Takes a right away while the worker runs, shows what it says, gives it back and sees it go on. */
  async function without(right: Grant, world: RelayWorld, host: RunningHost, send: () => Promise<void>): Promise<void> {
    await kafka.revoke(right);
    await send();
    const { state, alerts, counts } = await untilPaused(host, 'PH_KAFKA_ACL');
    assert.ok(state.kind === 'paused');
    assert.match(state.reason, /^auth: PH_KAFKA_ACL: cluster 'default' .* does not allow this on /);
    assert.match(state.reason, new RegExp(right.name.replaceAll('.', '\\.')));
    assert.deepEqual(
      alerts.map(({ code }) => code),
      ['PH_KAFKA_ACL'],
    );
    const metrics = await (await fetch(`${host.url}/metrics`)).text();
    assert.match(metrics, /^pipeline_host_unit_alert\{[^}]*worker="relay"[^}]*code="PH_KAFKA_ACL"[^}]*\} 1$/m);
    assert.match(metrics, /^pipeline_host_unit_state\{[^}]*state="paused"[^}]*\} 1$/m);
    const letters = (await world.deadLetters()).length;
    await kafka.grant(right);
    await world.untilThrough({ workers: ['relay'] });
    await until('no alert', () => unitOf(host).alerts.length === 0 && unitOf(host).state.kind === 'idle', 30_000);
    assert.ok(unitOf(host).counts.received >= counts.received);
    assert.ok((await world.deadLetters()).length >= letters);
  }

  for (const way of ['scram', 'mutualTls'] as const) {
    it(`runs a worker with ${way === 'scram' ? 'SASL_SSL and SCRAM' : 'mTLS'}: reads, retries, buries, writes, commits`, async () => {
      await using world = await openWorld(kafka[way]);
      await world.start({ workers: ['relay'] });
      await world.send([
        ...numbers(20).map((n) => ({ key: `k${n % 5}`, n })),
        { key: 'r', n: 20, fails: 1 },
        { key: 'd', n: 21, poison: true },
      ]);
      await world.untilThrough({ workers: ['relay'] });
      assert.deepEqual(await world.relayed(), numbers(21));
      assert.deepEqual(
        (await world.deadLetters()).map(({ key }) => String(key)),
        ['d'],
      );
      assert.equal(await world.committed('relay'), 22);
    });
  }

  it('goes on by itself when a right that was taken away is given back, with every record once and no attempt burned', async () => {
    const prefix = unique('taken');
    await using world = await openWorld(kafka.scram, prefix);
    const host = await world.start({ workers: ['relay'] });
    await world.send([{ key: 'k', n: 0 }]);
    await world.untilThrough({ workers: ['relay'] });
    const topic = (name: string, operation: 'read' | 'write'): Grant => ({ on: 'topic', name: `${prefix}.${name}`, operation });

    await without(topic('relayed', 'write'), world, host, () => world.send(numbers(10).map((n) => ({ key: `k${n % 3}`, n: 1 + n }))));
    await without(topic('work', 'read'), world, host, () => world.send(numbers(10).map((n) => ({ key: `k${n % 3}`, n: 11 + n }))));
    await without(topic('relay.retry', 'write'), world, host, () =>
      world.send([
        { key: 'r', n: 21, fails: 1 },
        { key: 'k', n: 22 },
      ]),
    );
    await without(topic('dlq', 'write'), world, host, () =>
      world.send([
        { key: 'd', n: 23, poison: true },
        { key: 'k', n: 24 },
      ]),
    );

    // A member without rights on its group cannot commit, so nothing comes until it has noticed.
    await without({ on: 'group', name: `${prefix}-relay`, operation: 'read' }, world, host, async () => {});
    await world.send([{ key: 'k', n: 25 }]);

    const through = numbers(26).filter((n) => n !== 23);
    await until('all to be relayed', async () => (await world.relayed()).length >= through.length, 30_000);
    assert.deepEqual(await world.relayed(), through);
    assert.deepEqual(
      (await world.deadLetters()).map(({ key, headers }) => [String(key), headerText(headers, HEADER.attempts)]),
      [['d', '1']],
    );
    const sent = await (await world.cluster()).read({ topic: `${prefix}.relayed` });
    for (const [key, records] of Map.groupBy(sent, (record) => String(record.key))) {
      const order = records.map(({ value }) => (JSON.parse(String(value)) as { n: number }).n);
      assert.deepEqual(
        order,
        order.toSorted((left, right) => left - right),
        `in order: key ${key}`,
      );
    }
    // Each was handled once, and the one that asked to be retried a second time.
    for (const [n, starts] of world.starts()) assert.equal(starts, n === 21 ? 2 : 1, `record ${n}`);
  });

  it('pauses where its password is changed and its user removed, and goes on when both are as they were', async () => {
    await using world = await openWorld(kafka.scram);
    const host = await world.start({ workers: ['relay'] });
    await world.send(numbers(5).map((n) => ({ key: `k${n}`, n })));
    await world.untilThrough({ workers: ['relay'] });
    await kafka.setPassword('another-password');
    // Who is in stays in, until connections are made anew.
    await kafka.apache.kill();
    await kafka.apache.up();
    const { state } = await untilPaused(host, 'PH_KAFKA_AUTH');
    assert.ok(state.kind === 'paused');
    assert.match(state.reason, /^auth: PH_KAFKA_AUTH: cluster 'default' .* refused the credentials/);
    await world.send(numbers(5).map((n) => ({ key: `k${n}`, n: 5 + n })));
    await kafka.removeUser();
    assert.equal((await untilPaused(host, 'PH_KAFKA_AUTH')).alerts[0]?.code, 'PH_KAFKA_AUTH');
    await kafka.setPassword(PASSWORD);
    await world.untilThrough({ workers: ['relay'] });
    assert.deepEqual(await world.relayed(), numbers(10));
    assert.deepEqual(await world.deadLetters(), []);
    await until('no alert', () => unitOf(host).alerts.length === 0, 30_000);
  });

  describe('says at the start what is wrong', { concurrency: 2 }, () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'wrong-'));
    after(() => rmSync(folder, { recursive: true, force: true }));

    /** `pipeline-host --plugin relay --worker relay` with this config, until it has given up. */
    async function refused(section: KafkaSection, prefix: string): Promise<string> {
      const file = path.join(folder, `${prefix}.config.json`);
      const config = { journal: '/dev/null', gates: folder };
      const plugins = { relay: { package: RELAY, prefix, config } };
      const dataDir = path.join(folder, prefix);
      writeFileSync(file, JSON.stringify({ dataDir, log: { level: 'error' }, kafka: { ...section, partitions: 2 }, plugins }));
      const outcome = await runCommand(['--plugin', 'relay', '--worker', 'relay', '--config', file], {
        cwd: folder,
        env: { KAFKA_PASSWORD: PASSWORD },
      });
      assert.equal(outcome.code, 3, outcome.stdout + outcome.stderr);
      assert.doesNotMatch(outcome.stderr, new RegExp(PASSWORD));
      return outcome.stderr;
    }

    const withTls = (section: KafkaSection, tls: Readonly<Record<string, string>>): KafkaSection => ({ ...section, tls });

    it('a wrong password', async () => {
      const { scram } = kafka;
      const said = await refused({ ...scram, sasl: { ...scram.sasl, password: `\${file:${kafka.files.ca}}` } }, unique('password'));
      assert.match(said, /^PH_KAFKA_AUTH: cluster 'default' .* refused the credentials/m);
      assert.match(said, /^ {2}at cluster 'default'$/m);
      assert.match(said, /^ {2}fix: check kafka\.sasl: mechanism, username and password/m);
    });

    it('an authority that did not sign the broker', async () => {
      const said = await refused(withTls(kafka.scram, { ca: `\${file:${kafka.files.otherCa}}` }), unique('authority'));
      assert.match(said, /^PH_KAFKA_TLS: no trusted connection to /m);
      assert.match(said, /^ {2}at cluster 'default'$/m);
      assert.match(said, /^ {2}fix: check kafka\.tls: ca must hold the authority of the broker/m);
    });

    it('no client certificate where one is asked for', async () => {
      const said = await refused(withTls(kafka.mutualTls, { ca: `\${file:${kafka.files.ca}}` }), unique('certificate'));
      assert.match(said, /^PH_KAFKA_TLS: cluster 'default' .* refused our side of TLS: .*certificate/m);
      assert.match(said, /^ {2}fix: the broker asks for a client certificate .* kafka\.tls\.cert and kafka\.tls\.key/m);
    });

    /** The right that is missing, and what the user may do with the topic instead. */
    const LACKS: readonly {
      readonly what: string;
      readonly on?: 'group';
      readonly topic?: string;
      readonly still: readonly Grant['operation'][];
    }[] = [
      { what: 'read the source', topic: 'work', still: ['create', 'describe'] },
      { what: 'see the source', topic: 'work', still: ['create'] },
      { what: 'write the output', topic: 'relayed', still: ['create', 'describe'] },
      { what: 'see the output', topic: 'relayed', still: ['create'] },
      { what: 'write the retry topic', topic: 'relay.retry', still: ['create', 'read'] },
      { what: 'write the dead letters', topic: 'dlq', still: ['create', 'describe'] },
      { what: 'use the group', on: 'group', still: [] },
    ];
    for (const { what, on = 'topic', topic, still } of LACKS) {
      it(`no right to ${what}`, async () => {
        const prefix = unique('lacks');
        const name = topic === undefined ? `${prefix}-relay` : `${prefix}.${topic}`;
        const others = rightsOf(prefix).filter((right) => right.name !== name);
        await kafka.grant(...others, ...still.map((operation): Grant => ({ on, name, operation })));
        const said = await refused(kafka.scram, prefix);
        assert.match(said, /^PH_KAFKA_ACL: cluster 'default' .*does not allow this on /m);
        assert.ok(said.includes(`  at ${on} '${name}'\n`), said);
        assert.match(said, /^ {2}fix: grant the user the right on this topic or group$/m);
      });
    }

    it('no right to create topics', async () => {
      const prefix = unique('creates');
      await kafka.grant(...rightsOf(prefix).filter(({ operation }) => operation !== 'create'));
      const said = await refused(kafka.scram, prefix);
      assert.match(said, /^PH_TOPIC_CREATION: the cluster does not let this client create topics: /m);
      assert.match(said, /^ {2}fix: have them created by who runs the cluster/m);
    });
  });
});
