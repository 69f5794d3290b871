/** Milliseconds between two beats of a free event loop. */
const BEAT = 500;

/** Notices when the event loop stood still. */
export interface EventLoopWatch {
  /** Milliseconds of the longest block that ended within the last `remember`, or null where none reached `limit`. */
  blockedFor(): number | null;
  stop(): void;
}

/**
 * Beats by timer. A probe that arrives while the loop is blocked gets no answer anyhow; the watch makes the probes after
 * it fail as well, so that a loop that is free only now and then does not pass for healthy.
 */
export function watchEventLoop(options: {
  readonly limit: number;
  readonly remember: number;
  readonly now?: () => number;
}): EventLoopWatch {
  const now = options.now ?? (() => performance.now());
  let last = now();
  let block = { length: 0, ended: Number.NEGATIVE_INFINITY };
  const beat = (): void => {
    const time = now();
    const length = time - last - BEAT;
    if (length >= options.limit && (length > block.length || time - block.ended > options.remember)) block = { length, ended: time };
    last = time;
  };
  const timer = setInterval(beat, BEAT).unref();
  return {
    blockedFor() {
      beat();
      return now() - block.ended <= options.remember ? block.length : null;
    },
    stop: () => clearInterval(timer),
  };
}
