import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import kafkajs, { type AclEntry, type Admin } from 'kafkajs';
import { openClient } from '../../host/src/kafka/client.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { type ApacheKafka, apacheKafkaMissing, runJava, startApacheKafka } from './apache-kafka.ts';

/** The user of both ways in: by its SCRAM password, or by its certificate. */
const USER = 'worker';
export const PASSWORD = 'right-password';

/** What a resource may be granted for, by the names of Kafka. */
export interface Grant {
  readonly on: 'topic' | 'group' | 'cluster';
  readonly name: string;
  readonly operation: 'read' | 'write' | 'create' | 'describe';
}

/** Apache Kafka with SASL_SSL (SCRAM) and mTLS listeners, where nobody may do anything that was not granted. */
export interface SecureKafka {
  readonly apache: ApacheKafka;
  /** Files of the certificates, in PEM. */
  readonly files: { readonly ca: string; readonly otherCa: string; readonly clientCert: string; readonly clientKey: string };
  /** `kafka` of a config, with the right credentials. */
  readonly scram: KafkaSection;
  readonly mutualTls: KafkaSection;
  /** Resolves when the broker goes by it, as does `revoke`. */
  grant(...grants: readonly Grant[]): Promise<void>;
  revoke(...grants: readonly Grant[]): Promise<void>;
  setPassword(password: string): Promise<void>;
  removeUser(): Promise<void>;
  close(): Promise<void>;
}

export interface KafkaSection {
  readonly brokers: readonly string[];
  readonly tls: Readonly<Record<string, string>>;
  readonly sasl?: Readonly<Record<string, string>>;
}

/** Why such a broker cannot run here, or undefined. */
export function secureKafkaMissing(): string | undefined {
  if (spawnSync('openssl', ['version']).status !== 0) return 'openssl is not installed';
  return apacheKafkaMissing();
}

/** A key with a certificate that the authority has signed for the name and for 127.0.0.1: the file of each, and of both. */
function certificate(folder: string, name: string, authority?: string): void {
  const file = (suffix: string): string => path.join(folder, `${name}.${suffix}`);
  const openssl = (...args: readonly string[]): void => {
    execFileSync('openssl', args, { stdio: 'pipe' });
  };
  const key = ['-newkey', 'rsa:2048', '-nodes', '-keyout', file('key'), '-subj', `/CN=${name}`];
  if (authority === undefined) {
    openssl('req', '-x509', '-days', '2', ...key, '-out', file('pem'));
    return;
  }
  const ca = path.join(folder, authority);
  openssl('req', '-new', ...key, '-out', file('csr'));
  writeFileSync(file('extensions'), 'subjectAltName=IP:127.0.0.1\n');
  const signed = ['-CA', `${ca}.pem`, '-CAkey', `${ca}.key`, '-CAcreateserial', '-days', '2', '-extfile', file('extensions')];
  openssl('x509', '-req', '-in', file('csr'), ...signed, '-out', file('pem'));
  writeFileSync(file('store'), `${readFileSync(file('key'), 'utf8')}${readFileSync(file('pem'), 'utf8')}`);
}

const RESOURCES = {
  topic: kafkajs.AclResourceTypes.TOPIC,
  group: kafkajs.AclResourceTypes.GROUP,
  cluster: kafkajs.AclResourceTypes.CLUSTER,
} as const;
const OPERATIONS = {
  read: kafkajs.AclOperationTypes.READ,
  write: kafkajs.AclOperationTypes.WRITE,
  create: kafkajs.AclOperationTypes.CREATE,
  describe: kafkajs.AclOperationTypes.DESCRIBE,
} as const;

function entry(user: string, { on, name, operation }: Grant): AclEntry {
  return {
    resourceType: RESOURCES[on],
    resourceName: name,
    resourcePatternType: kafkajs.ResourcePatternTypes.LITERAL,
    principal: user,
    host: '*',
    operation: OPERATIONS[operation],
    permissionType: kafkajs.AclPermissionTypes.ALLOW,
  };
}

/** A change is answered by the controller, and the broker hears of it a moment later. */
async function untilInForce(admin: Admin, acls: readonly AclEntry[], granted: boolean): Promise<void> {
  for (const acl of acls)
    await until('the ACL to be in force', async () => (await admin.describeAcls(acl)).resources.length > 0 === granted);
}

export async function startSecureKafka(): Promise<SecureKafka> {
  const folder = mkdtempSync(path.join(os.tmpdir(), 'certificates-'));
  for (const authority of ['ca', 'other-ca']) certificate(folder, authority);
  for (const name of ['broker', USER]) certificate(folder, name, 'ca');
  const file = (name: string): string => path.join(folder, name);
  const tls = {
    'ssl.keystore.type': 'PEM',
    'ssl.keystore.location': file('broker.store'),
    'ssl.truststore.type': 'PEM',
    'ssl.truststore.location': file('ca.pem'),
  };
  const apache = await startApacheKafka({
    heap: '384m',
    listeners: { SCRAM: 'SASL_SSL', MUTUAL: 'SSL' },
    scramUsers: [`SCRAM-SHA-512=[name=${USER},password=${PASSWORD}]`],
    properties: {
      ...tls,
      'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
      // Who comes in plain is the broker itself, or the test.
      'super.users': 'User:ANONYMOUS',
      'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
      'listener.name.scram.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required;',
      'listener.name.mutual.ssl.client.auth': 'required',
      // The certificate's `CN=worker` is the user `worker`, as the password's is.
      'ssl.principal.mapping.rules': 'RULE:^CN=(.*?)$/$1/',
    },
  }).catch((error: unknown) => {
    rmSync(folder, { recursive: true, force: true });
    throw error;
  });
  const client = openClient(
    { name: 'secure', brokers: apache.brokers, clientId: 'test' },
    { debug() {}, info() {}, warn() {}, error() {} },
  );
  const asAdmin = async (act: (admin: Admin) => Promise<unknown>): Promise<void> => {
    const admin = client.admin();
    await admin.connect();
    try {
      await act(admin);
    } finally {
      await admin.disconnect();
    }
  };
  const entries = (grants: readonly Grant[]): AclEntry[] => grants.map((grant) => entry(`User:${USER}`, grant));
  const pem = (name: string): string => `\${file:${file(name)}}`;
  const [plain = ''] = apache.brokers;
  return {
    apache,
    files: { ca: file('ca.pem'), otherCa: file('other-ca.pem'), clientCert: file(`${USER}.pem`), clientKey: file(`${USER}.key`) },
    scram: {
      brokers: apache.listener('SCRAM'),
      tls: { ca: pem('ca.pem') },
      sasl: { mechanism: 'scram-sha-512', username: USER, password: `\${env:KAFKA_PASSWORD}` },
    },
    mutualTls: {
      brokers: apache.listener('MUTUAL'),
      tls: { ca: pem('ca.pem'), cert: pem(`${USER}.pem`), key: pem(`${USER}.key`) },
    },
    grant: (...grants) =>
      asAdmin(async (admin) => {
        await admin.createAcls({ acl: entries(grants) });
        await untilInForce(admin, entries(grants), true);
      }),
    revoke: (...grants) =>
      asAdmin(async (admin) => {
        await admin.deleteAcls({ filters: entries(grants) });
        await untilInForce(admin, entries(grants), false);
      }),
    setPassword: async (password) => {
      await runJava('ScramUser.java', [plain, USER, password]);
    },
    removeUser: async () => {
      await runJava('ScramUser.java', [plain, USER]);
    },
    close: async () => {
      await apache.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
