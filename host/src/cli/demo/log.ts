import { closeSync, openSync, writeSync } from 'node:fs';
import { createLogger, type HostLog } from '../../observability/logger.ts';
import { prettyLine } from '../../observability/pretty-line.ts';

/** The host's log during a demo: all of it in a file, errors also on the screen. */
export interface DemoLog extends Disposable {
  readonly log: HostLog;
  /** From now on errors are shown by this function; until then they only go to the file. */
  showErrors(show: (line: string) => void): void;
}

export function openDemoLog(file: string): DemoLog {
  let descriptor: number | null = openSync(file, 'a');
  let show: (line: string) => void = () => undefined;
  const log = createLogger({
    level: 'info',
    destination: {
      write(line) {
        if (descriptor !== null) writeSync(descriptor, line);
        if (line.startsWith('{"level":"error"')) show(prettyLine(line).trimEnd());
      },
    },
  });
  return {
    log,
    showErrors: (shown) => {
      show = shown;
    },
    [Symbol.dispose]() {
      if (descriptor !== null) closeSync(descriptor);
      descriptor = null;
    },
  };
}
