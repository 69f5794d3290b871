import type { OffsetCommit } from '../groups/offset-store.ts';

const SECOND_MS = 1_000;
/** What has not committed for so long starts afresh; looked for when this many partitions are known. */
const FORGET_ABOVE = 10_000;

/** Counts the commits of each group and partition, and says how long the answer to one too many has to wait. */
export class CommitThrottle {
  readonly #commitsPerSecond: number;
  /** When the last commits of a partition were due, oldest first, as many as a second may have. */
  readonly #due = new Map<string, number[]>();

  constructor(commitsPerSecond: number) {
    this.#commitsPerSecond = commitsPerSecond;
  }

  /** Milliseconds for the whole request: those of its busiest partition. `now` is a monotonic time. */
  delay(group: string, commits: readonly Pick<OffsetCommit, 'topic' | 'partition'>[], now: number): number {
    if (!Number.isFinite(this.#commitsPerSecond)) return 0;
    if (this.#due.size > FORGET_ABOVE) this.#forget(now);
    let longest = 0;
    for (const { topic, partition } of commits) {
      const key = `${group} ${topic} ${partition}`;
      const last = this.#due.get(key) ?? [];
      const earliest = last.length < this.#commitsPerSecond ? now : (last[0] ?? now) + SECOND_MS;
      const due = Math.max(now, earliest);
      this.#due.set(key, [...last, due].slice(-this.#commitsPerSecond));
      longest = Math.max(longest, due - now);
    }
    return Math.ceil(longest);
  }

  #forget(now: number): void {
    for (const [key, due] of this.#due) if ((due.at(-1) ?? 0) < now - SECOND_MS) this.#due.delete(key);
  }
}
