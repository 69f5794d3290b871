import { PipelineError } from '@pipeline-host/sdk';
import { hearRelayedSignals } from './relayed-signals.ts';

const EXIT_CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

/** The promise of the host: it stops in this time from any state. */
const STOP_DEADLINE = 30_000;
/** What a library left open keeps the process alive no longer than this. */
const LINGER = 2_000;

export interface StopSignals extends Disposable {
  /** Resolves at the first SIGINT, SIGTERM or SIGHUP, with the exit code of a process that it ended. */
  readonly asked: Promise<number>;
}

type StopSignal = keyof typeof EXIT_CODES;
const SIGNALS = Object.keys(EXIT_CODES) as readonly StopSignal[];

/** Listens until disposed. Asked again, the process ends at once. */
export function listenForStop(): StopSignals {
  const { promise, resolve } = Promise.withResolvers<number>();
  /** One that is heard both ways was sent once. */
  const heard = { directly: 0, relayed: 0 };
  const hear = (way: keyof typeof heard, signal: StopSignal): void => {
    heard[way]++;
    if (heard[way] > 1) process.exit(EXIT_CODES[signal]);
    if (heard.directly + heard.relayed > 1) return;
    process.stderr.write('stopping; the same again ends it at once\n');
    resolve(EXIT_CODES[signal]);
  };
  const onSignal = (signal: StopSignal): void => hear('directly', signal);
  for (const signal of SIGNALS) process.on(signal, onSignal);
  const { unhear } = hearRelayedSignals((name) => {
    const signal = SIGNALS.find((known) => known === name);
    if (signal !== undefined) hear('relayed', signal);
  });
  return {
    asked: promise,
    [Symbol.dispose]: () => {
      for (const signal of SIGNALS) process.off(signal, onSignal);
      // Once asked, what is relayed late must find no process that its default would end.
      if (heard.directly + heard.relayed === 0) unhear();
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
