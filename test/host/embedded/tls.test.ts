import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { openEmbeddedBroker } from '../../../host/src/embedded/index.ts';
import { connectKafka, startBroker, temporaryFolder } from './broker-fixture.ts';

const HAS_OPENSSL = spawnSync('openssl', ['version']).status === 0;
if (!HAS_OPENSSL) console.log('SKIPPED: openssl is not on PATH, so TLS to the embedded broker is not tested');

async function selfSigned(): Promise<{ readonly key: string; readonly cert: string }> {
  const folder = await temporaryFolder();
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')];
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
  spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
    '-keyout',
    key,
    '-out',
    cert,
    ...subject,
  ]);
  return { key: await readFile(key, 'utf8'), cert: await readFile(cert, 'utf8') };
}

describe('TLS', { skip: HAS_OPENSSL ? false : 'openssl is not on PATH' }, () => {
  it('serves a client that trusts the certificate, refuses others, and is found by other processes', async (t) => {
    const { key, cert } = await selfSigned();
    const tls = { key, cert, ca: cert };
    const fixture = await startBroker(t, { tls, client: { ssl: { ca: [cert] } } });
    await fixture.admin.createTopics({ topics: [{ topic: 'private' }] });
    await fixture.producer.send({ topic: 'private', messages: [{ value: 'x' }] });
    const plain = connectKafka(fixture.broker.address, { retry: { retries: 0 }, connectionTimeout: 500 }).admin();
    await assert.rejects(plain.connect());
    const distrustful = connectKafka(fixture.broker.address, { ssl: true, retry: { retries: 0 } }).admin();
    await assert.rejects(distrustful.connect());
    const second = await openEmbeddedBroker({ dataDir: fixture.dataDir, tls });
    assert.equal(second.owner, false);
    await second.close();
    assert.deepEqual(await fixture.admin.listTopics(), ['private']);
  });
});
