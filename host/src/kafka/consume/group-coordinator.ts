import { isHandover } from '../classify.ts';
import { askForCoordinator } from '../coordinator-lookup.ts';
import type { BrokerInternals, GroupInternals } from '../kafkajs-internals.ts';

/**
 * The broker that keeps a group, for one assignment. kafkajs looks for it when it joins and never again; here it is looked
 * for whenever the last one is away or says that it is another. The group itself moves with its members and offsets.
 */
export class GroupCoordinator {
  readonly #group: GroupInternals;
  #broker: BrokerInternals | undefined;
  #search: Promise<BrokerInternals> | undefined;

  constructor(group: GroupInternals) {
    this.#group = group;
    this.#broker = group.coordinator;
  }

  /** One request. Where it meets a hand-over it rejects, and the next one looks for the coordinator first. */
  async request<Answer>(send: (broker: BrokerInternals) => Promise<Answer>): Promise<Answer> {
    const broker = this.#broker?.isConnected() === true ? this.#broker : await this.#find();
    try {
      return await send(broker);
    } catch (error) {
      if (isHandover(error) && this.#broker === broker) this.#broker = undefined;
      throw error;
    }
  }

  /** One search at a time: heartbeats and commits ask for it together. */
  #find(): Promise<BrokerInternals> {
    this.#search ??= this.#ask().finally(() => {
      this.#search = undefined;
    });
    return this.#search;
  }

  async #ask(): Promise<BrokerInternals> {
    const { cluster, groupId, offsetManager } = this.#group;
    const { coordinator } = await askForCoordinator(cluster, { groupId });
    const broker = await cluster.findBroker({ nodeId: coordinator.nodeId });
    // kafkajs itself asks it for offsets, and to leave.
    this.#group.coordinator = broker;
    offsetManager.coordinator = broker;
    this.#broker = broker;
    return broker;
  }
}
