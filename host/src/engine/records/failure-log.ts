import type { Log } from '@pipeline-host/sdk';
import type { FailureEnd, FailureNote, SourceRecord } from './record-writer.ts';

/** After the first line of a code, one in so many milliseconds; it says how many there were meanwhile. */
const QUIET_MILLISECONDS = 10_000;

const TEXTS: Readonly<Record<FailureEnd, string>> = {
  dead: 'record is dead: it is in the dead-letter topic',
  retried: 'record failed and is tried again later',
  postponed: 'record waits for its dependency in a delay lane, no attempt is burned',
};

interface Told {
  at: number;
  untold: number;
}

/**
 * Says in the log that records are retried or dead, and why: each cause at once, then seldom. A thousand records that fail
 * alike are one line, not a thousand; the counts stand in metrics and status.
 */
export class FailureLog {
  readonly #log: Log;
  readonly #told = new Map<string, Told>();

  constructor(log: Log) {
    this.#log = log;
  }

  note(what: FailureEnd, from: SourceRecord, { failure, stage, attempts }: FailureNote): void {
    const cause = `${what} ${failure.code}`;
    const now = Date.now();
    const told = this.#told.get(cause);
    if (told !== undefined && now - told.at < QUIET_MILLISECONDS) {
      told.untold++;
      return;
    }
    this.#told.set(cause, { at: now, untold: 0 });
    this.#log.warn(
      {
        code: failure.code,
        reason: failure.reason,
        stage,
        attempts,
        topic: from.topic,
        partition: from.partition,
        offset: String(from.record.offset),
        ...(told !== undefined && told.untold > 0 && { untold: told.untold }),
      },
      TEXTS[what],
    );
  }
}
