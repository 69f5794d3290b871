/**
 * A small broker that speaks the Kafka protocol, for one machine: durable segment files, consumer groups, idempotent
 * producers, transactions, retention and compaction. Not replicated. The processes of one data folder share it: one owns it, and
 * another takes over when that one goes. Clients are the ordinary ones (kafkajs, librdkafka, kcat); nothing of the host talks to it
 * in any other way.
 */
export { ErrorCode } from './error-code.ts';
export { openEmbeddedBroker } from './open-broker.ts';
export type { EmbeddedBroker, EmbeddedBrokerOptions } from './options.ts';
export { PROFILES } from './profiles/profile.ts';
