import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { until } from '../host/kafka/contract-kit.ts';
import { type HostProcess, spawnHost } from './host-process.ts';
import { openRelayWorld, type RelayWorld } from './relay-world.ts';
import { assertAllOnce, keepSending, settles } from './steady-work.ts';

const WORKERS = ['relay', 'recorder', 'keeper'];
/** A killed member's partitions are free again so soon. */
const FAST_FAIL_OVER = { kafka: { sessionTimeout: '2s' } };

/** The process that owns the broker of the hosts, as it wrote down itself. */
function ownerPid(world: RelayWorld): number {
  return (JSON.parse(readFileSync(join(world.folder, 'broker', 'endpoint.json'), 'utf8')) as { readonly pid: number }).pid;
}

/** Ends the owner and waits until another process owns the broker and answers. Gives back the exit code. */
async function endOwner(world: RelayWorld, hosts: Set<HostProcess>, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
  const owner = [...hosts].find(({ child }) => child.pid === ownerPid(world));
  assert.ok(owner, 'one of the processes owns the broker');
  hosts.delete(owner);
  const code = await owner.kill(signal);
  const began = performance.now();
  await until('another process to own the broker', () => [...hosts].some(({ child }) => child.pid === ownerPid(world)));
  await world.committed('relay');
  console.log(`  the broker answers ${Math.round(performance.now() - began)} ms after the end of its owner (${signal})`);
  return code;
}

describe('hosts that share an embedded broker', () => {
  it('start at the same moment on an empty folder, and go on, each row once, when its owner is killed again and again', {
    timeout: 300_000,
  }, async () => {
    await using world = await openRelayWorld({ brokers: { embedded: {} }, config: FAST_FAIL_OVER });
    const hosts = new Set(await Promise.all([0, 1, 2].map(() => world.spawn(WORKERS))));
    const sender = keepSending(world);
    for (let kill = 0; kill < 3; kill++) {
      await settles(world);
      await endOwner(world, hosts, 'SIGKILL');
      hosts.add(await world.spawn(WORKERS));
    }
    await settles(world);
    await sender.end();
    await assertAllOnce(world, sender.sent);
    await Promise.all([...hosts].map(async (host) => assert.equal(await host.kill('SIGTERM'), 0, host.output())));
  });

  it('go on when the owner is stopped, down to the last one', async () => {
    await using world = await openRelayWorld({ brokers: { embedded: {} }, config: FAST_FAIL_OVER });
    const hosts = new Set(await Promise.all([0, 1, 2].map(() => world.spawn(WORKERS))));
    const sender = keepSending(world);
    await settles(world);
    assert.equal(await endOwner(world, hosts, 'SIGTERM'), 0);
    await settles(world);
    assert.equal(await endOwner(world, hosts, 'SIGTERM'), 0);
    await settles(world);
    await sender.end();
    await assertAllOnce(world, sender.sent);
    const [last] = hosts;
    assert.equal(await last?.kill('SIGTERM'), 0, last?.output());
  });

  it('take over from a broker that ran in a process of its own', async () => {
    await using world = await openRelayWorld({ brokers: { embedded: {} }, config: FAST_FAIL_OVER });
    const broker = spawnHost(['broker', '--config', join(world.folder, 'pipeline-host.config.json')], world.folder);
    await broker.ready;
    const hosts = new Set([broker, ...(await Promise.all([0, 1].map(() => world.spawn(WORKERS))))]);
    assert.equal(ownerPid(world), broker.child.pid);
    const sender = keepSending(world);
    await settles(world);
    await endOwner(world, hosts, 'SIGKILL');
    await settles(world);
    await sender.end();
    await assertAllOnce(world, sender.sent);
  });
});
