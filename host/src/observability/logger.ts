import type { Log, LogFields } from '@pipeline-host/sdk';
import { type Level, type Logger, pino } from 'pino';
import { type PlainFields, plainFields } from './plain-fields.ts';
import { prettyLine } from './pretty-line.ts';
import { redactText } from './redact.ts';

/** Where a line comes from. The same names in every line, so that one search finds a record's whole way. */
export interface LogContext {
  readonly plugin?: string;
  readonly worker?: string;
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: bigint | number | string;
  readonly trace_id?: string;
}

/** The host's log. Redacts by construction and never throws: telemetry cannot change what becomes of a record. */
export interface HostLog extends Log {
  /** A log whose lines all carry these fields; a field of the same name replaces the parent's. */
  child(fields: LogContext & LogFields): HostLog;
  /** Whether `debug` lines are written: ask before building costly fields. */
  readonly isDebug: boolean;
}

export interface LoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error' | 'silent';
  /** Default `stderr`: stdout belongs to the results of commands. An object with `write` is for tests. */
  readonly destination?: 'stderr' | 'stdout' | { write(line: string): void };
  /** Lines for people instead of JSON. Default false. */
  readonly pretty?: boolean;
}

/**
 * JSON lines, written synchronously: a line is with the operating system when the call returns, so that a crash, an exit
 * or SIGKILL loses none.
 */
export function createLogger(options: LoggerOptions): HostLog {
  const sink = typeof options.destination === 'object' ? options.destination : fileSink(options.destination ?? 'stderr');
  const stream = options.pretty === true ? { write: (line: string) => sink.write(prettyLine(line)) } : sink;
  const logger = pino(
    {
      level: options.level,
      base: { pid: process.pid },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
      // Fields are plain and redacted before pino sees them; its own serializers would undo that for errors.
      serializers: {},
    },
    stream,
  );
  return logWith(logger, () => ({}));
}

function fileSink(destination: 'stderr' | 'stdout'): {
  write(line: string): void;
} {
  const stream = pino.destination({
    dest: destination === 'stdout' ? 1 : 2,
    sync: true,
  });
  // A reader that went away (EPIPE) or a full disk must not take the pipeline down with it.
  stream.on('error', () => undefined);
  return { write: (line) => void stream.write(line) };
}

/** Names that pino writes itself; a field of that name gets an underscore, since a JSON line with a name twice has no meaning. */
const OWN_NAMES: ReadonlySet<string> = new Set(['level', 'time', 'pid', 'msg']);

function logWith(logger: Logger, readContext: () => PlainFields): HostLog {
  // Made when the first line is written: most records log nothing, and their context would cost more than they do.
  let context: PlainFields | undefined;
  const ownContext = (): PlainFields => {
    context ??= readContext();
    return context;
  };
  const write = (level: Level, fields: LogFields, message: string): void => {
    if (!logger.isLevelEnabled(level)) return;
    try {
      logger[level](merge(ownContext(), plainFields(fields), false), redactText(String(message)));
    } catch {
      // Nothing is left to report it to.
    }
  };
  return {
    debug: (fields, message) => write('debug', fields, message),
    info: (fields, message) => write('info', fields, message),
    warn: (fields, message) => write('warn', fields, message),
    error: (fields, message) => write('error', fields, message),
    child: (fields) => logWith(logger, () => merge(ownContext(), plainFields(fields), true)),
    get isDebug() {
      return logger.isLevelEnabled('debug');
    },
  };
}

/** The host's context wins over a line's own fields of the same name, which keep their value under `<name>_`. */
function merge(context: PlainFields, fields: PlainFields, replace: boolean): PlainFields {
  const merged: PlainFields = { ...context };
  for (const [name, value] of Object.entries(fields)) {
    merged[OWN_NAMES.has(name) || (!replace && Object.hasOwn(context, name)) ? `${name}_` : name] = value;
  }
  return merged;
}
