import { assignLanes } from '../../host/src/kafka/consume/assigner.ts';
import type { LaneTopic } from '../../host/src/kafka/driver.ts';

/** A member as its coordinator knows it. */
export interface Membership {
  readonly id: string;
  /** A rebalance has begun: hand everything over, then say `rejoined`. */
  rebalancing(): void;
  /** A new generation, and what this member reads in it, by topic. */
  assigned(generation: number, partitions: Readonly<Record<string, readonly number[]>>): void;
}

/** The coordinator of a consumer group: who is in it, and who reads what. It uses the assigner of the real consumer. */
export class SimulatedGroup {
  readonly name: string;
  generation = 0;
  /** Null while a rebalance is under way, then who has not handed over yet. */
  #waitsFor: Set<string> | null = null;
  readonly #members = new Map<string, Membership>();
  readonly #partitions: ReadonlyMap<string, number>;
  readonly #lanes: LaneTopic | undefined;

  constructor(name: string, partitions: ReadonlyMap<string, number>, lanes: LaneTopic | undefined) {
    this.name = name;
    this.#partitions = partitions;
    this.#lanes = lanes;
  }

  has(id: string): boolean {
    return this.#members.has(id);
  }

  join(member: Membership): void {
    this.#members.set(member.id, member);
    this.#rebalance(member.id);
  }

  /** It left, or its session has ended. */
  leave(id: string): void {
    if (!this.#members.delete(id)) return;
    this.#rebalance(null);
    this.#waitsFor?.delete(id);
    this.#completeOnceReady();
  }

  rejoined(id: string): void {
    this.#waitsFor?.delete(id);
    this.#completeOnceReady();
  }

  #rebalance(newcomer: string | null): void {
    if (this.#waitsFor === null) {
      this.#waitsFor = new Set(this.#members.keys());
      for (const member of this.#members.values()) if (member.id !== newcomer) member.rebalancing();
    }
    if (newcomer !== null) this.rejoined(newcomer);
  }

  #completeOnceReady(): void {
    if (this.#waitsFor === null || this.#waitsFor.size > 0) return;
    this.#waitsFor = null;
    this.generation++;
    if (this.#members.size === 0) return;
    const assignment = assignLanes([...this.#members.keys()], this.#partitions, this.#lanes);
    for (const member of this.#members.values()) member.assigned(this.generation, assignment.get(member.id) ?? {});
  }
}
