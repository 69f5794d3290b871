import {
  type DemoMoment,
  paintProgress,
  progressLine,
  progressLines,
  type SettledAt,
  settledByWorker,
  workerProgress,
} from './progress.ts';

/** Where the display goes. `process.stderr` is one: stdout is for the summary. */
export interface DisplayStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  readonly rows?: number;
  write(text: string): unknown;
}

/** Live progress. On a terminal it redraws in place four times a second; elsewhere it prints a line every two seconds. */
export interface DemoDisplay {
  /** A line that stays: printed above the live part. */
  say(line: string): void;
  /** Draws the present moment now, whatever the time. */
  draw(): void;
  /** Draws, and leaves that where it is: something else is printed below it, and the next drawing starts below that. */
  leave(): void;
  /** Draws a last time, stops the timer and leaves what is drawn on the screen. Safe to call twice. */
  close(): void;
}

const REDRAW = 250;
const REPORT = 2_000;
/** Rates are counted over so many milliseconds at least, so that they do not flicker. */
const RATE_WINDOW = 2_000;

export function startDisplay(stream: DisplayStream, moment: () => DemoMoment): DemoDisplay {
  const live = stream.isTTY === true;
  /** Oldest first; the first is what rates are counted from. */
  let history: { readonly elapsed: number; readonly settled: SettledAt }[] = [];
  let drawn = 0;
  let closed = false;

  const draw = (): void => {
    const now = moment();
    const [oldest] = history;
    const seconds = oldest === undefined ? 0 : (now.elapsed - oldest.elapsed) / 1000;
    const workers = workerProgress(now.status, oldest?.settled ?? new Map(), seconds);
    history = [...history, { elapsed: now.elapsed, settled: settledByWorker(now.status) }];
    while (history[1] !== undefined && now.elapsed - history[1].elapsed >= RATE_WINDOW) history.shift();
    if (!live) {
      stream.write(`${progressLine(now, workers)}\n`);
      return;
    }
    // More lines than the window has would scroll, and the cursor could not find its way back.
    const lines = paintProgress(progressLines(now, workers, stream.columns ?? 80)).slice(0, Math.max(1, (stream.rows ?? 24) - 1));
    stream.write(`${erase(drawn)}${lines.join('\n')}\n`);
    drawn = lines.length;
  };

  const timer = setInterval(draw, live ? REDRAW : REPORT);
  return {
    say(line) {
      if (!live || closed) {
        stream.write(`${line}\n`);
        return;
      }
      stream.write(`${erase(drawn)}${line}\n`);
      drawn = 0;
      draw();
    },
    draw,
    leave() {
      draw();
      drawn = 0;
    },
    close() {
      if (closed) return;
      clearInterval(timer);
      draw();
      closed = true;
    },
  };
}

/** Cursor to the start of what was drawn, and everything from there on cleared. */
function erase(lines: number): string {
  return lines === 0 ? '' : `\u001b[${lines}F\u001b[0J`;
}
