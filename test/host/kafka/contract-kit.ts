import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { PipelineError } from '@pipeline-host/sdk';
import { connectCluster } from '../../../host/src/kafka/cluster.ts';
import type { ClusterConfig } from '../../../host/src/kafka/cluster-config.ts';
import type {
  AssignedPartition,
  ConsumerHandlers,
  ConsumerOptions,
  KafkaCluster,
  KafkaConsumer,
  KafkaLog,
  KafkaRecord,
  RecordBatch,
} from '../../../host/src/kafka/driver.ts';

export const silent: KafkaLog = { debug() {}, info() {}, warn() {}, error() {} };

export const unique = (name: string): string => `${name}-${randomUUID().slice(0, 8)}`;

type ClusterOptions = { readonly log?: KafkaLog } & Pick<ClusterConfig, 'compression'>;

export function clusterOf(brokers: readonly string[], { log = silent, ...config }: ClusterOptions = {}): KafkaCluster {
  return connectCluster({ name: 'test', brokers, clientId: 'contract', ...config }, log);
}

/** Waits for a condition; fails with what it was waiting for. */
export async function until(what: string, condition: () => boolean | Promise<boolean>, timeout = 30_000): Promise<void> {
  const deadline = Date.now() + timeout;
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`waited ${timeout} ms for: ${what}`);
    await sleep(10);
  }
}

export type Step = 'assigned' | 'batch' | 'revoking' | 'revoked' | 'lost' | 'error';

/** A member that writes down what its consumer tells it, and checks the promised order of callbacks on the way. */
export interface TestMember {
  readonly consumer: KafkaConsumer;
  readonly steps: readonly { readonly step: Step; readonly epoch: number }[];
  readonly errors: readonly Error[];
  /** What it was told of its right to read. */
  readonly refusals: readonly (PipelineError | null)[];
  readonly records: readonly (KafkaRecord & { readonly topic: string; readonly partition: number; readonly epoch: number })[];
  readonly violations: readonly string[];
  readonly epoch: number;
  readonly assigned: readonly AssignedPartition[];
  holds(topic: string): number[];
}

export interface MemberHooks {
  onBatch?: (batch: RecordBatch, member: KafkaConsumer) => void;
  onAssigned?: (epoch: number, partitions: readonly AssignedPartition[], member: KafkaConsumer) => void | Promise<void>;
  onRevoking?: (epoch: number, member: KafkaConsumer) => Promise<void>;
}

export async function join(cluster: KafkaCluster, options: ConsumerOptions, hooks: MemberHooks = {}): Promise<TestMember> {
  const steps: { step: Step; epoch: number }[] = [];
  const records: (KafkaRecord & { topic: string; partition: number; epoch: number })[] = [];
  const errors: Error[] = [];
  const refusals: (PipelineError | null)[] = [];
  const violations: string[] = [];
  let open: number | undefined;
  let last = 0;
  let assigned: readonly AssignedPartition[] = [];
  const handlers: ConsumerHandlers = {
    onBatch(batch) {
      if (open !== batch.epoch) violations.push(`batch of epoch ${batch.epoch} while ${open} is open`);
      steps.push({ step: 'batch', epoch: batch.epoch });
      for (const record of batch.records) records.push({ ...record, topic: batch.topic, partition: batch.partition, epoch: batch.epoch });
      hooks.onBatch?.(batch, consumer);
    },
    async onAssigned(epoch, partitions) {
      if (open !== undefined) violations.push(`epoch ${epoch} assigned before ${open} ended`);
      if (epoch <= last) violations.push(`epoch ${epoch} after ${last}`);
      last = epoch;
      steps.push({ step: 'assigned', epoch });
      await hooks.onAssigned?.(epoch, partitions, consumer);
      assigned = partitions;
      open = epoch;
    },
    async onRevoking(epoch) {
      if (open !== epoch) violations.push(`epoch ${epoch} revoked while ${open} is open`);
      open = undefined;
      steps.push({ step: 'revoking', epoch });
      await hooks.onRevoking?.(epoch, consumer);
      assigned = [];
      steps.push({ step: 'revoked', epoch });
    },
    onAccess: (refused) => void refusals.push(refused),
    onLost(epoch) {
      if (epoch !== last) violations.push(`epoch ${epoch} lost while ${last} is the last`);
      open = undefined;
      assigned = [];
      steps.push({ step: 'lost', epoch });
    },
    onError(error) {
      errors.push(error);
      steps.push({ step: 'error', epoch: last });
    },
  };
  const consumer = await cluster.consume({ sessionTimeout: 6_000, ...options }, handlers);
  return {
    consumer,
    steps,
    errors,
    refusals,
    records,
    violations,
    get epoch() {
      return last;
    },
    get assigned() {
      return assigned;
    },
    holds: (topic) =>
      assigned
        .filter((one) => one.topic === topic)
        .map(({ partition }) => partition)
        .sort((a, b) => a - b),
  };
}
