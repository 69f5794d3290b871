import { PipelineError } from '@pipeline-host/sdk';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The promise of the host: it stops in this time from any state. */
const STOP_DEADLINE = 30_000;
/** What a library left open keeps the process alive no longer than this. */
const LINGER = 2_000;

export interface StopSignals extends Disposable {
  /** Resolves at the first SIGINT, SIGTERM or SIGHUP, with the exit code of a process that it ended. */
  readonly asked: Promise<number>;
}

/** Listens until disposed. The second signal ends the process at once. */
export function listenForStop(): StopSignals {
  const { promise, resolve } = Promise.withResolvers<number>();
  let isAsked = false;
  const onSignal = (signal: keyof typeof EXIT_CODES): void => {
    if (isAsked) process.exit(EXIT_CODES[signal]);
    isAsked = true;
    process.stderr.write('stopping; the same again ends it at once\n');
    resolve(EXIT_CODES[signal]);
  };
  const signals = Object.keys(EXIT_CODES) as (keyof typeof EXIT_CODES)[];
  for (const signal of signals) process.on(signal, onSignal);
  return {
    asked: promise,
    [Symbol.dispose]: () => {
      for (const signal of signals) process.off(signal, onSignal);
    },
  };
}

/**
 * Closes what the process was run for; the process ends soon after, whatever is left open.
 *
 * @throws PipelineError `PH_STOP_TIMEOUT` where closing takes longer than 30 s
 */
export async function stopInTime(stop: () => Promise<void>): Promise<void> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(
    () => reject(new PipelineError('PH_STOP_TIMEOUT', `not stopped within ${STOP_DEADLINE / 1000} s`)),
    STOP_DEADLINE,
  );
  try {
    await Promise.race([stop(), late]);
  } finally {
    clearTimeout(timer);
    setTimeout(() => process.exit(), LINGER).unref();
  }
}
