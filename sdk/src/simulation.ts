import { type Branded, brand } from './brand.ts';
import type { Log } from './services.ts';

/** A source message of a simulation: bytes as a real sender would write them. */
export interface SourceMessage {
  /** Topic name without the prefix. */
  readonly topic: string;
  readonly key: string | null;
  readonly value: string | Uint8Array;
}

/** A dead letter as a simulation's sums see it. */
export interface DeadLetterView {
  /** The worker that gave up. */
  readonly worker: string;
  readonly code: string;
  readonly reason: string;
  /** The original value, byte for byte. */
  readonly value: Uint8Array | null;
}

/** What is there when all workers are through. */
export interface SimulationResults {
  /** All rows of one of the plugin's tables, chosen columns only. */
  rows(table: string, columns: readonly string[]): Promise<readonly Readonly<Record<string, unknown>>[]>;
  /** The plugin's dead letters. */
  deadLetters(): Promise<readonly DeadLetterView[]>;
  /** The plugin's stored files: path and lower-case hex SHA-256 of the content, read back from the store. */
  files(): Promise<readonly { readonly path: string; readonly bytes: number; readonly sha256: string }[]>;
}

/** One line of the final summary. It holds where `expected` equals `actual`. */
export interface Sum {
  /** e.g. `'events sent = rows of events table'` */
  readonly name: string;
  readonly expected: number;
  readonly actual: number;
  /** What is missing or too much, for the reader. */
  readonly detail?: string;
}

export interface SimulationContext {
  /** The same seed gives the same messages and the same faults. */
  readonly seed: number;
  /** How many source messages; the simulation's own default where absent. */
  readonly messages: number | undefined;
  readonly log: Log;
}

export interface RunningSimulation {
  /** Laid over `plugins.<name>` of the demo's config: addresses of the stand-ins, short delays. */
  readonly config: Readonly<Record<string, unknown>>;
  /** The source messages, in order. */
  messages(): Iterable<SourceMessage> | AsyncIterable<SourceMessage>;
  /** An endless stream for `--keep`; absent where the simulation has none. */
  stream?(): Iterable<SourceMessage>;
  /** The sums that must hold when nothing is open any more. */
  sums(results: SimulationResults): Promise<readonly Sum[]>;
  stop(): Promise<void>;
}

export interface SimulationDefinition extends Branded<'simulation'> {
  start(context: SimulationContext): Promise<RunningSimulation>;
}

/** The plugin's world on one machine: stand-in servers, source messages and the sums that must hold. Default export of the manifest's `simulation`. */
export function defineSimulation(options: { start(context: SimulationContext): Promise<RunningSimulation> }): SimulationDefinition {
  return brand('simulation', options, options);
}
