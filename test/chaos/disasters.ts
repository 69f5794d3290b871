import { setTimeout as wait } from 'node:timers/promises';
import type { Random } from '../../host/src/testing/index.ts';
import type { ProxiedBroker } from './broker.ts';
import type { Fleet, Member } from './fleet.ts';

export type Disaster = 'kill' | 'terminate' | 'join' | 'broker-kill' | 'broker-terminate' | 'cut' | 'swallow';

export type Kinds = readonly Disaster[];

/** Members that lost the broker have committed again, or have lost their partitions, so long after it is back. */
const AFTERMATH = 10_000;
/** So long a process is waited for to have something open when it ends. */
const IDLE_PATIENCE = 2_000;
const LOOK = 20;
/** Longer and shorter than the time after which a silent member is given up. */
const SWALLOWED = { least: 1_000, most: 6_000 } as const;

export interface DisasterOptions {
  readonly fleet: Fleet;
  readonly broker: ProxiedBroker;
  readonly random: Random;
  readonly say: (line: string) => void;
}

/** Disasters one after the other, and how many calls of each worker's handlers they may have made again at the most. */
export class Disasters {
  readonly counts = new Map<Disaster, number>();
  /** Exit codes of stopped processes that are not 0. */
  readonly wrongExits: string[] = [];
  readonly #allowed = new Map<string, number>();
  readonly #options: DisasterOptions;
  /** Kinds and workers that are still to come before any comes again. */
  #kinds: Disaster[] = [];
  #workers: string[] = [];
  #brokerBackAt = Number.NEGATIVE_INFINITY;
  /** What the members had in hand when the broker was lost: counted when its aftermath is over. */
  #lostAt: number | null = null;

  constructor(options: DisasterOptions) {
    this.#options = options;
  }

  allowed(worker: string): number {
    return this.#allowed.get(worker) ?? 0;
  }

  /** One disaster, chosen by the seed, until its process or the broker runs again. */
  async strike(kinds: Kinds): Promise<void> {
    const { fleet, broker, random, say } = this.#options;
    if (this.#kinds.length === 0) this.#kinds = [...kinds];
    const [kind] = this.#kinds.splice(random.between(0, this.#kinds.length - 1), 1);
    const member = this.#choose();
    if (kind === undefined || member === undefined) return;
    this.counts.set(kind, (this.counts.get(kind) ?? 0) + 1);
    this.#settleAftermath();
    switch (kind) {
      case 'kill':
      case 'terminate':
        return this.#replace(member, kind === 'kill' ? 'SIGKILL' : 'SIGTERM');
      case 'join': {
        const more = await fleet.start(member.worker);
        say(`a further ${member.worker} (process ${more.host.child.pid}) joins; one leaves`);
        return this.#leave(member, 'SIGTERM');
      }
      case 'broker-kill':
      case 'broker-terminate': {
        const signal = kind === 'broker-kill' ? 'SIGKILL' : 'SIGTERM';
        const began = performance.now();
        this.#loseBroker();
        await broker.restart(signal);
        this.#brokerBackAt = performance.now();
        return say(`the broker was restarted (${signal}) in ${((this.#brokerBackAt - began) / 1000).toFixed(1)} s`);
      }
      case 'cut':
        this.#loseBroker();
        this.#brokerBackAt = performance.now();
        return say(`${broker.proxy.cut()} ends of connections to the broker were cut`);
      case 'swallow': {
        const time = random.between(SWALLOWED.least, SWALLOWED.most);
        this.#loseBroker();
        broker.proxy.swallow();
        await wait(time);
        broker.proxy.pass();
        this.#brokerBackAt = performance.now();
        return say(`the way to the broker swallowed everything for ${(time / 1000).toFixed(1)} s`);
      }
    }
  }

  /** To be called when all is through. */
  finish(): void {
    this.#settleAftermath(true);
  }

  /** A process of each worker before a second one of any. */
  #choose(): Member | undefined {
    const { fleet, random } = this.#options;
    const members = [...fleet.members];
    if (this.#workers.length === 0) this.#workers = [...new Set(members.map(({ worker }) => worker))].sort();
    const [worker] = this.#workers.splice(random.between(0, this.#workers.length - 1), 1);
    const candidates = members.filter((member) => member.worker === worker);
    return candidates[random.between(0, candidates.length - 1)];
  }

  /** Looks until the member has something in hand, for a while. */
  async #atWork(member: Member): Promise<number> {
    const deadline = performance.now() + IDLE_PATIENCE;
    for (;;) {
      const open = (await this.#options.fleet.look(member))?.open ?? 0;
      if (open > 0 || performance.now() > deadline) return open;
      await wait(LOOK);
    }
  }

  async #replace(member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { fleet, say } = this.#options;
    await this.#leave(member, signal);
    const began = performance.now();
    const next = await fleet.start(member.worker);
    say(`… ${member.worker} again (process ${next.host.child.pid}) after ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }

  async #leave(member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<void> {
    const { fleet, say } = this.#options;
    const open = await this.#atWork(member);
    // One that stops while it cannot commit leaves as one that is killed.
    const now = performance.now();
    if (signal === 'SIGKILL' || this.#lostAt !== null) this.#allow(member, this.#lostAt ?? now, now);
    say(`${signal === 'SIGKILL' ? 'kill -9' : 'SIGTERM'} ${member.worker} (process ${member.host.child.pid}), ${open} open`);
    const code = await fleet.end(member, signal);
    if (signal === 'SIGTERM' && code !== 0) this.wrongExits.push(`${member.worker} (process ${member.host.child.pid}): ${code}`);
  }

  #loseBroker(): void {
    this.#lostAt ??= performance.now();
  }

  /** Who could not commit may have had to let go of its partitions with all that it had in hand. */
  #settleAftermath(isOver = performance.now() > this.#brokerBackAt + AFTERMATH): void {
    if (this.#lostAt === null || !isOver) return;
    for (const member of this.#options.fleet.members) this.#allow(member, this.#lostAt, this.#brokerBackAt + AFTERMATH);
    this.#lostAt = null;
  }

  #allow(member: Member, from: number, to: number): void {
    this.#allowed.set(member.worker, this.allowed(member.worker) + this.#options.fleet.exposure(member, from, to));
  }
}
