import { createLogger, type HostLog } from '../observability/logger.ts';

/** A line of the log, as the host would have written it: redacted. */
export interface LogLine {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  readonly message: string;
  /** Whose it is (plugin, worker, topic, partition, offset, trace id), and the fields that were given. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** The host's own log, kept in memory. */
export interface RecordedLog {
  readonly log: HostLog;
  readonly lines: readonly LogLine[];
}

export function recordLog(): RecordedLog {
  const lines: LogLine[] = [];
  const write = (text: string): void => {
    // Decoded boundary: the logger has just written it.
    const {
      level,
      msg,
      time: _time,
      pid: _pid,
      ...fields
    } = JSON.parse(text) as Readonly<Record<string, unknown>> & {
      readonly level: LogLine['level'];
      readonly msg: string;
    };
    lines.push({ level, message: msg, fields });
  };
  return { log: createLogger({ level: 'debug', destination: { write } }), lines };
}
