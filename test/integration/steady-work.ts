import assert from 'node:assert/strict';
import { until } from '../host/kafka/contract-kit.ts';
import { numbers, type RelayWorld } from './relay-world.ts';

const KEYS = 20;
const CHUNK = 25;
/** So many messages may be ahead of the relay: every host is at work whenever something is killed. */
const AHEAD = 100;

export interface SteadyWork {
  readonly sent: number;
  /** Resolves when the last message is acknowledged. */
  end(): Promise<void>;
}

/** Sends messages of 2 ms of work, never many more than the relay has settled. */
export function keepSending(world: RelayWorld): SteadyWork {
  let isEnding = false;
  let sent = 0;
  const run = async (): Promise<void> => {
    while (!isEnding) {
      await world.send(Array.from({ length: CHUNK }, (_, i) => ({ key: `k${(sent + i) % KEYS}`, n: sent + i, ms: 2 })));
      sent += CHUNK;
      await until('the relay to follow', async () => isEnding || sent - (await world.committed('relay')) < AHEAD, 60_000);
    }
  };
  const running = run();
  running.catch(() => {});
  return {
    get sent() {
      return sent;
    },
    end: () => {
      isEnding = true;
      return running;
    },
  };
}

/** Resolves when the relay has committed more records than now. */
export async function settles(world: RelayWorld, records = 40): Promise<void> {
  const start = await world.committed('relay');
  await until(`the relay to settle ${records} records`, async () => (await world.committed('relay')) >= start + records, 60_000);
}

/** Every message was relayed and stands once in each table. */
export async function assertAllOnce(world: RelayWorld, sent: number): Promise<void> {
  await world.untilThrough({ timeout: 90_000 });
  assert.deepEqual(await world.numbersIn('relay_log'), numbers(sent));
  assert.deepEqual(await world.numbersIn('relay_latest'), numbers(sent));
  assert.deepEqual([...new Set(await world.relayed())], numbers(sent));
  assert.deepEqual(await world.deadLetters(), []);
}
