import type { Duration } from './duration.ts';
import type { MessageOf, TopicDefinition } from './topic.ts';

/** One message to send. It is acknowledged by the broker before the record that caused it is settled. */
export interface Output<Topic extends string = string> {
  readonly topic: Topic;
  readonly message: unknown;
  readonly headers: Readonly<Record<string, string>> | undefined;
  readonly redo: boolean;
}

export interface OutputOptions {
  /** Further record headers; names that begin with `ph.` are the host's and refused. */
  readonly headers?: Readonly<Record<string, string>>;
  /** This sends earlier work again. The host counts it along the chain and stops it after two times (`PH_REDO_EXHAUSTED`). */
  readonly redo?: boolean;
}

/** A message for a topic that the worker declared in `produces`. */
export function output<Topic extends TopicDefinition>(
  topic: Topic,
  message: MessageOf<Topic>,
  options: OutputOptions = {},
): Output<Topic['name']> {
  return { topic: topic.name, message, headers: options.headers, redo: options.redo ?? false };
}

/** The outputs that a worker may return, from the topics that it declared. */
export type OutputsOf<Topics extends readonly TopicDefinition[]> = Topics[number] extends infer Topic
  ? Topic extends TopicDefinition<infer Name, never>
    ? Output<Name>
    : never
  : never;

export interface Done<O extends Output = Output> {
  readonly kind: 'done';
  readonly outputs: readonly O[];
}
export interface Skip<O extends Output = Output> {
  readonly kind: 'skip';
  readonly reason: string;
  readonly outputs: readonly O[];
}
export interface Retry {
  readonly kind: 'retry';
  readonly error: unknown;
  readonly after: Duration | undefined;
}
export interface Dead<O extends Output = Output> {
  readonly kind: 'dead';
  readonly code: string;
  readonly reason: string;
  readonly outputs: readonly O[];
}

/** What became of a record. Nothing else exists: a handler cannot commit, and cannot lose a record. */
export type Outcome<O extends Output = Output> = Done<O> | Skip<O> | Retry | Dead<O>;

const DONE: Done<never> = Object.freeze({ kind: 'done', outputs: Object.freeze([]) });

/** Handled. The outputs are acknowledged before the record is settled. */
export function done<O extends Output = never>(outputs?: readonly O[]): Done<O> {
  return outputs === undefined || outputs.length === 0 ? DONE : { kind: 'done', outputs };
}

/** Nothing to do, on purpose; counted by its reason (keep it a short constant text). The outputs are sent as well. */
export function skip<O extends Output = never>(reason: string, outputs: readonly O[] = []): Skip<O> {
  return { kind: 'skip', reason, outputs };
}

/**
 * Try again later by the worker's policy, or after the given time, which is then no sign of an outage. Past the last attempt
 * the record is dead.
 */
export function retry(error: unknown, options: { readonly after?: Duration } = {}): Retry {
  return { kind: 'retry', error, after: options.after };
}

/** Never to succeed: into the dead letters, byte for byte, with this code and reason. The outputs are sent as well. */
export function dead<O extends Output = never>(code: string, reason: string, outputs: readonly O[] = []): Dead<O> {
  return { kind: 'dead', code, reason, outputs };
}
