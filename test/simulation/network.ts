import type { Random } from './random.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { VirtualTime } from './virtual-time.ts';

/** Between the members and the brokers: how long things take, and what goes wrong on the way. */
export class Network {
  /** Until then (virtual time), what is sent or committed takes seconds. */
  readonly slowUntil = { send: 0, commit: 0 };
  /** Until then, many commits fail: half of them after they were stored. */
  commitsFailUntil = 0;
  readonly time: VirtualTime;
  readonly log: SimulatedLog;
  readonly random: Random;

  constructor(time: VirtualTime, log: SimulatedLog, random: Random) {
    this.time = time;
    this.log = log;
    this.random = random;
  }

  /** Resolves when what was sent has arrived. */
  pass(what: 'send' | 'commit' | 'fetch' | 'answer'): Promise<void> {
    return this.time.sleep(this.delay(what));
  }

  delay(what: 'send' | 'commit' | 'fetch' | 'answer'): number {
    const isSlow = (what === 'send' || what === 'commit') && this.time.now < this.slowUntil[what];
    return isSlow ? this.random.between(200, 1_500) : this.random.between(1, 15);
  }
}
