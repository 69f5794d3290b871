import type { HostLog } from '../observability/logger.ts';
import type { ObjectStore } from '../storage/index.ts';
import type { StagingArea } from '../storage/staging.ts';

/** What a writer left unfinished for so long has no writer any more. */
const UNFINISHED_MILLISECONDS = 24 * 3_600_000;
/** Between two looks. */
const INTERVAL = 24 * 3_600_000;

export interface Leftovers {
  readonly staging: StagingArea;
  readonly stores: readonly ObjectStore[];
  /** Milliseconds that a finished file may wait in the staging area. */
  readonly stagedFor: number;
  /** Deletes stored records of dead letters that nobody needs any more. */
  readonly sweepPayloads: () => Promise<void>;
  readonly log: HostLog;
}

export interface Sweeping {
  /** Resolves when a sweep under way has ended. */
  stop(): Promise<void>;
}

/**
 * Deletes what killed processes left behind, now and once a day: unfinished files, and staged files that nobody waits for
 * any more. A file whose record still comes is found stored, or downloaded again. At the same times it lets the stored records
 * of dead letters be swept.
 */
export function sweepLeftovers({ staging, stores, stagedFor, sweepPayloads, log }: Leftovers): Sweeping {
  let stopped = false;
  const sweep = async (): Promise<void> => {
    const swept: Record<string, number> = {};
    try {
      swept[staging.root] = await staging.sweep({ unfinishedOlderThan: UNFINISHED_MILLISECONDS, finishedOlderThan: stagedFor });
      for (const store of stores) {
        if (!stopped) swept[store.uri] = (await store.local?.sweep(UNFINISHED_MILLISECONDS)) ?? 0;
      }
    } catch (error) {
      log.warn({ error }, 'leftovers of killed processes could not be swept');
    }
    try {
      if (!stopped) await sweepPayloads();
    } catch (error) {
      if (!stopped) log.warn({ error }, 'stored records of dead letters could not be swept, it is tried again in a day');
    }
    for (const [place, files] of Object.entries(swept)) if (files > 0) log.info({ place, files }, 'swept leftovers of killed processes');
  };
  let running = sweep();
  const timer = setInterval(() => {
    running = running.then(sweep);
  }, INTERVAL);
  timer.unref();
  return {
    stop: async () => {
      stopped = true;
      clearInterval(timer);
      await running;
    },
  };
}
