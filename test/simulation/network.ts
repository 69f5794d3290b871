import type { Random } from './random.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { VirtualTime } from './virtual-time.ts';

/** What is on its way: to a broker, or to the storage of the tables; or the answer. */
type Way = 'send' | 'commit' | 'fetch' | 'store' | 'answer';

/** Between the members and the brokers: how long things take, and what goes wrong on the way. */
export class Network {
  /** Until then (virtual time), what is sent, committed or stored in a table takes seconds. */
  readonly slowUntil = { send: 0, commit: 0, store: 0 };
  /** Until then, many commits fail: half of them after they were stored. */
  commitsFailUntil = 0;
  /** Until then, most requests to the storage of the tables fail: some of them after they were stored. */
  storageDownUntil = 0;
  /** Requests of dead processes that are still to arrive. */
  late = 0;
  readonly time: VirtualTime;
  readonly log: SimulatedLog;
  readonly random: Random;

  constructor(time: VirtualTime, log: SimulatedLog, random: Random) {
    this.time = time;
    this.log = log;
    this.random = random;
  }

  /** Resolves when what was sent has arrived. */
  pass(what: Way): Promise<void> {
    return this.time.sleep(this.delay(what));
  }

  /** Of a request whose process is dead: it was on its way, and nobody waits for it. */
  async arriveLate(by: number): Promise<void> {
    this.late++;
    await this.time.sleep(by);
    this.late--;
  }

  delay(what: Way): number {
    const isSlow = (what === 'send' || what === 'commit' || what === 'store') && this.time.now < this.slowUntil[what];
    return isSlow ? this.random.between(200, 1_500) : this.random.between(1, 15);
  }
}
