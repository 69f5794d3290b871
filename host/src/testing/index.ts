/**
 * What plugin authors test with. `testWorker` tries one worker without a broker, `testPlugin` several; `startTestHost` runs whole plugins on the
 * embedded broker, with time that can be put forward; `startService` stands in for the services that they ask. Each is made
 * of the host's own parts, so that what passes here passes there.
 */

export type { StoredFile } from '../supervisor/plugin-results.ts';
export type { RecordOptions } from './given-record.ts';
export type { HandlerResult, RecordOutcome, SentMessage } from './handler-run.ts';
export type { WorkerUnderTest } from './lazy-stage.ts';
export type { LogLine } from './recorded-log.ts';
export type { RecordedMetrics } from './recorded-metrics.ts';
export { type AnswerHeaders, answer, type ServiceAnswer } from './simulation/answers.ts';
export { FILE_CONTENT_TYPES, type FileKind, fileContent } from './simulation/file-content.ts';
export { Random } from './simulation/random.ts';
export { type AccessTokens, type Outage, rules, type ServiceFault, type SignedLinks } from './simulation/rules.ts';
export {
  type Route,
  type Rule,
  type ServiceOptions,
  type ServiceRequest,
  type SimulatedService,
  startService,
} from './simulation/service.ts';
export type { StageOptions as PluginTestOptions } from './stage.ts';
export type { StandIns } from './stand-ins.ts';
export type { StoredRow } from './stored-row.ts';
export type { WriteResult } from './table-run.ts';
export { startTestHost, type TestHost, type TestHostOptions } from './test-host.ts';
export { type TestedPlugin, testPlugin } from './test-plugin.ts';
export { testWorker, type WorkerTestOptions } from './test-worker.ts';
export type { PolledMessage, TestedPoller } from './tested-poller.ts';
export type { TestedTableWriter } from './tested-table-writer.ts';
export type { HandledMessage, TestedWorker, WorkerParts } from './tested-worker.ts';
