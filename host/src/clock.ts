/** A call that is still to come. */
export interface Wait {
  cancel(): void;
}

/**
 * What the host waits by: delay lanes, probes, tries in place, the age of a batch; requests until an API may be asked (again).
 * A test host has one that can be put forward; what waits for an answer (Kafka, storage, HTTP, a handler's deadline) waits in
 * real time everywhere.
 */
export interface Clock {
  /** Milliseconds since some moment; never set back. */
  monotonic(): number;
  /** Calls once, after so many milliseconds. */
  after(milliseconds: number, call: () => void): Wait;
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  after: (milliseconds, call) => {
    const timer = setTimeout(call, milliseconds);
    return { cancel: () => clearTimeout(timer) };
  },
};

/** Resolves after so many milliseconds, or when the signal is aborted. */
export function pass(clock: Clock, milliseconds: number, signal?: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  if (signal?.aborted) return Promise.resolve();
  const end = (): void => {
    wait.cancel();
    signal?.removeEventListener('abort', end);
    resolve();
  };
  const wait = clock.after(milliseconds, end);
  signal?.addEventListener('abort', end, { once: true });
  return promise;
}
