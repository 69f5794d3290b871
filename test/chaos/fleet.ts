import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { HostStatus, UnitStatus } from '../../host/src/engine/status.ts';
import { until } from '../host/kafka/contract-kit.ts';
import { AdminClient, urlOf } from '../integration/admin-client.ts';
import type { HostProcess } from '../integration/host-process.ts';
import type { Pipeline } from '../integration/pipeline.ts';

const LOOK = 200;
/** Commits are 100 ms apart; on a busy machine they take longer. What was settled earlier than this counts as committed. */
const COMMITTED_AFTER = 1_000;
/** Longer than any disaster with its aftermath. */
const KEPT = 120_000;
const START_PATIENCE = 90_000;

interface Moment {
  readonly at: number;
  readonly received: number;
  readonly settled: number;
}

/** One process of a worker. */
export interface Member {
  readonly worker: string;
  readonly host: HostProcess;
  /** The last minutes of its life. */
  history: readonly Moment[];
  last: UnitStatus | undefined;
}

/** Several processes of each worker, watched by their admin API. */
export class Fleet implements AsyncDisposable {
  readonly members = new Set<Member>();
  /** What a unit's balance ever missed: anything but none is a defect. */
  readonly missing: string[] = [];
  readonly #pipeline: Pipeline;
  readonly #logs: { readonly worker: string; readonly host: HostProcess }[] = [];
  readonly #timer: NodeJS.Timeout;
  #isLooking = false;

  constructor(pipeline: Pipeline) {
    this.#pipeline = pipeline;
    this.#timer = setInterval(() => {
      if (this.#isLooking) return;
      this.#isLooking = true;
      void Promise.all([...this.members].map((member) => this.look(member))).finally(() => {
        this.#isLooking = false;
      });
    }, LOOK);
  }

  /** Resolves when the process says that it runs; its group may still be about to share out the partitions. */
  async start(worker: string): Promise<Member> {
    const host = await this.#pipeline.spawn([worker]);
    const member: Member = { worker, host, history: [], last: undefined };
    this.#logs.push({ worker, host });
    this.members.add(member);
    return member;
  }

  /** Resolves when each process has partitions. */
  async untilBalanced(): Promise<void> {
    const isBalanced = (): boolean => [...this.members].every(({ last }) => last !== undefined && last.partitions > 0);
    await until('every process to have partitions', isBalanced, START_PATIENCE);
  }

  /** Asks the process for its status; undefined where it does not answer. */
  async look(member: Member): Promise<UnitStatus | undefined> {
    const answer = await new AdminClient(urlOf(member.host)).ask<HostStatus>('/status').catch(() => undefined);
    const unit = answer?.body.units?.[0];
    if (unit === undefined) return undefined;
    const { received, done, skipped, retried, dead } = unit.counts;
    const at = performance.now();
    member.last = unit;
    member.history = [
      ...member.history.filter((moment) => moment.at > at - KEPT),
      { at, received, settled: done + skipped + retried + dead },
    ];
    for (const { topic, missing } of unit.balance ?? []) if (missing !== 0) this.missing.push(`${unit.id} on ${topic}: ${missing}`);
    return unit;
  }

  /**
   * The most records that the member had open, or settled and not committed, in a stretch of time: what it had received at its
   * end less what it had settled {@link COMMITTED_AFTER} before its beginning; and what it may have begun since it was asked.
   */
  exposure({ worker, history }: Member, from: number, to: number): number {
    const before = history.findLast(({ at }) => at <= from - COMMITTED_AFTER)?.settled ?? 0;
    const after = history.findLast(({ at }) => at <= to)?.received ?? 0;
    const { settings, definition } = this.#pipeline.worker(worker);
    return Math.max(0, after - before) + ('rows' in definition ? 0 : settings.concurrency);
  }

  async end(member: Member, signal: 'SIGKILL' | 'SIGTERM'): Promise<number | null> {
    this.members.delete(member);
    return member.host.kill(signal);
  }

  /** What all processes said, the ended ones too, a file each. */
  keepLogs(folder: string): void {
    mkdirSync(folder, { recursive: true });
    for (const [index, { worker, host }] of this.#logs.entries())
      writeFileSync(join(folder, `${String(index).padStart(3, '0')}-${worker}-${host.child.pid}.log`), host.output());
  }

  /** Stops all, as a service manager does. The exit codes that are not 0. */
  async stop(): Promise<readonly string[]> {
    const ended = await Promise.all([...this.members].map(async (member) => ({ member, code: await this.end(member, 'SIGTERM') })));
    return ended.filter(({ code }) => code !== 0).map(({ member, code }) => `${member.worker} (process ${member.host.child.pid}): ${code}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    await Promise.all([...this.members].map((member) => this.end(member, 'SIGKILL')));
  }
}
