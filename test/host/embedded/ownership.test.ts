import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { connectKafka, temporaryFolder } from './broker-fixture.ts';
import { openInChild } from './child-broker.ts';

describe('one data folder, several processes', () => {
  it('has exactly one owner when several start at once, and all find it', async (t) => {
    const dataDir = await temporaryFolder();
    const children = await Promise.all(Array.from({ length: 4 }, () => openInChild({ dataDir })));
    t.after(() => Promise.all(children.map((child) => child.stop('SIGKILL'))));
    const mine = await openEmbeddedBroker({ dataDir });
    assert.equal(children.filter(({ owner }) => owner).length, 1);
    assert.equal(mine.owner, false);
    assert.equal(new Set([...children, mine].map(({ address, clusterId }) => `${address} ${clusterId}`)).size, 1);
    await mine.close();
    const admin = connectKafka(mine.address).admin();
    await admin.connect();
    assert.equal((await admin.describeCluster()).clusterId, mine.clusterId, 'the owner runs on after another has closed');
    await admin.disconnect();
  });

  it('has exactly one owner among many callers of one process', async () => {
    const dataDir = await temporaryFolder();
    const brokers = await Promise.all(Array.from({ length: 8 }, () => openEmbeddedBroker({ dataDir })));
    assert.equal(brokers.filter(({ owner }) => owner).length, 1);
    assert.equal(new Set(brokers.map(({ address }) => address)).size, 1);
    await Promise.all(brokers.map((broker) => broker.close()));
  });

  it('passes to the next caller when the owner was killed, with the same cluster id', async () => {
    const dataDir = await temporaryFolder();
    const first = await openInChild({ dataDir });
    await first.stop('SIGKILL');
    assert.ok((await readFile(join(dataDir, 'endpoint.json'), 'utf8')).includes('clusterId'), 'the dead owner could not clear up');
    const second = await openEmbeddedBroker({ dataDir });
    assert.equal(second.owner, true);
    assert.equal(second.clusterId, first.clusterId);
    await second.close();
  });

  it('passes to the next caller after a clean close', async () => {
    const dataDir = await temporaryFolder();
    const first = await openEmbeddedBroker({ dataDir });
    await first.close();
    const second = await openEmbeddedBroker({ dataDir });
    assert.equal(second.owner, true);
    await second.close();
  });

  it('gives each data folder a cluster id of its own', async () => {
    const [a, b] = await Promise.all(
      [temporaryFolder(), temporaryFolder()].map(async (folder) => openEmbeddedBroker({ dataDir: await folder })),
    );
    assert.notEqual(a?.clusterId, b?.clusterId);
    await Promise.all([a?.close(), b?.close()]);
  });

  it('does not take another broker on a stale port for the owner', async () => {
    const [mine, other] = [await temporaryFolder(), await temporaryFolder()];
    const owner = await openEmbeddedBroker({ dataDir: mine });
    const stranger = await openEmbeddedBroker({ dataDir: other });
    const path = join(mine, 'endpoint.json');
    const endpoint = JSON.parse(await readFile(path, 'utf8')) as { port: number };
    await writeFile(path, JSON.stringify({ ...endpoint, port: Number(stranger.address.split(':')[1]) }));
    const found = openEmbeddedBroker({ dataDir: mine });
    await writeFile(path, JSON.stringify(endpoint));
    const guest = await found;
    assert.equal(guest.address, owner.address);
    await guest.close();
    await Promise.all([owner.close(), stranger.close()]);
  });

  it('finds an owner that asks for a password', async () => {
    const dataDir = await temporaryFolder();
    const sasl = { users: { me: 'secret' } };
    const owner = await openEmbeddedBroker({ dataDir, sasl });
    const second = await openEmbeddedBroker({ dataDir, sasl });
    assert.equal(second.owner, false);
    await second.close();
    await owner.close();
  });

  it('says so when the folder is owned on another port than the one asked for', async () => {
    const dataDir = await temporaryFolder();
    const owner = await openEmbeddedBroker({ dataDir });
    const port = Number(owner.address.split(':')[1]);
    const guest = await openEmbeddedBroker({ dataDir, port });
    assert.equal(guest.owner, false);
    await guest.close();
    await assert.rejects(openEmbeddedBroker({ dataDir, port: port === 65_535 ? 65_534 : port + 1 }), {
      code: 'PH_BROKER_OWNED',
      exitCode: 3,
    });
    await owner.close();
  });

  it('says so when the port is in use, and lets go of the folder', async (t) => {
    const dataDir = await temporaryFolder();
    const server = createServer().listen(0, '127.0.0.1');
    t.after(() => server.close());
    await new Promise((resolve) => server.once('listening', resolve));
    const { port } = server.address() as AddressInfo;
    await assert.rejects(openEmbeddedBroker({ dataDir, port }), { code: 'PH_BROKER_PORT_IN_USE', exitCode: 3, place: `127.0.0.1:${port}` });
    const broker = await openEmbeddedBroker({ dataDir });
    assert.equal(broker.owner, true);
    await broker.close();
  });

  it('says so when the address is not one of this machine', async () => {
    await assert.rejects(openEmbeddedBroker({ dataDir: await temporaryFolder(), host: '203.0.113.1' }), {
      code: 'PH_BROKER_LISTEN',
      exitCode: 3,
    });
  });

  it('says so when the data folder cannot be used', async () => {
    const file = join(await temporaryFolder(), 'file');
    await writeFile(file, '');
    await assert.rejects(openEmbeddedBroker({ dataDir: join(file, 'below') }), { code: 'PH_BROKER_DATA_DIR', exitCode: 3 });
    await writeFile(join(await temporaryFolder(), 'x'), '');
    const damaged = await temporaryFolder();
    await writeFile(join(damaged, 'meta.json'), '{ not json');
    await assert.rejects(openEmbeddedBroker({ dataDir: damaged }), { code: 'PH_BROKER_DATA_DIR' });
  });
});

it('the next owner of a folder listens where the former did, so that clients find it again; elsewhere if the port is taken', async () => {
  const dataDir = await temporaryFolder();
  const first = await openEmbeddedBroker({ dataDir });
  await first.close();
  const second = await openEmbeddedBroker({ dataDir });
  assert.equal(second.address, first.address);
  await second.close();
  const squatter = await openEmbeddedBroker({ dataDir: await temporaryFolder(), port: Number(first.address.split(':')[1]) });
  const third = await openEmbeddedBroker({ dataDir });
  assert.notEqual(third.address, first.address);
  await third.close();
  await squatter.close();
});
