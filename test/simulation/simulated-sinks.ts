import type { TableWriterDefinition, WorkerDefinition } from '@pipeline-host/sdk';
import { HandlerSink } from '../../host/src/engine/handling/handler-sink.ts';
import type { MessageCodec } from '../../host/src/engine/messages/message-codec.ts';
import { FailureWindow } from '../../host/src/engine/outage/failure-window.ts';
import type { RecordWriter } from '../../host/src/engine/records/record-writer.ts';
import { TableSink } from '../../host/src/engine/tables/table-sink.ts';
import { WriterOffsets } from '../../host/src/engine/tables/writer-offsets.ts';
import type { UnitHooks } from '../../host/src/engine/unit.ts';
import type { KafkaCluster } from '../../host/src/kafka/driver.ts';
import type { HostLog } from '../../host/src/observability/logger.ts';
import type { ResolvedWorker } from '../../host/src/plugins/topology.ts';
import { type Schedule, TIMEOUT } from './schedule.ts';
import type { OpenTable } from './simulated-table.ts';

export const silent: HostLog = { debug() {}, info() {}, warn() {}, error() {}, child: () => silent, isDebug: false };

export const unreachable = (): never => {
  throw new Error('nobody asks for this');
};

/** Milliseconds in which a former owner learns that it is one: more than any is left in ignorance here. */
const HAND_OVER = 20_000;

/** What every sink stands on. */
interface SinkParts {
  readonly hooks: UnitHooks;
  readonly worker: ResolvedWorker;
  readonly writer: RecordWriter;
  readonly schedule: Schedule;
  readonly codec: MessageCodec;
}

export function handlerSink({ hooks, worker, writer, schedule, codec }: SinkParts): HandlerSink {
  return new HandlerSink({
    ...hooks,
    definition: worker.definition as WorkerDefinition,
    onRetry: schedule.mode,
    window: new FailureWindow(worker.settings.outage),
    outageKeys: worker.settings.outage.keys,
    byteBudget: schedule.byteBudget,
    releasePerSecond: worker.settings.retry.release,
    canDelay: schedule.mode === 'delay',
    order: 'key',
    concurrency: schedule.concurrency,
    batchSize: schedule.batchSize,
    codec,
    writer,
    services: {
      config: {},
      services: {},
      log: silent,
      metrics: { count() {}, observe() {} },
      http: { request: unreachable, download: unreachable, api: unreachable },
      objects: { put: unreachable, stat: unreachable },
      stagingFor: (release) => ({ has: unreachable, open: unreachable, release }),
      timeout: TIMEOUT,
    },
    onHandled: () => {},
    onOverdue: () => {},
    onHeld: () => {},
  });
}

/** @param tables as the member has them open, in the order of the worker */
export function tableSink(
  { hooks, worker, writer, schedule, codec }: SinkParts,
  tables: readonly OpenTable[],
  cluster: KafkaCluster,
): TableSink {
  return new TableSink({
    ...hooks,
    definition: worker.definition as TableWriterDefinition,
    config: {},
    tables: worker.tables.map((resolved, at) => ({ resolved, delta: tables[at] as OpenTable })),
    flush: worker.settings.flush,
    byteBudget: schedule.byteBudget,
    codec,
    writer,
    log: silent,
    offsets: new WriterOffsets('simulated', worker),
    handOver: HAND_OVER,
    endOffsets: async (topics) => {
      const admin = await cluster.admin();
      const ends = await Promise.all(
        topics.map(async (topic) => (await admin.offsets(topic)).map(({ partition, high }) => [`${topic}/${partition}`, high] as const)),
      );
      return new Map(ends.flat());
    },
    onCommit: () => {},
  });
}
