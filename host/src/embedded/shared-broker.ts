import { setTimeout as delay } from 'node:timers/promises';
import { errorMessage, PipelineError } from '@pipeline-host/sdk';
import type { FaultHooks } from './faults.ts';
import { type BrokerSettings, type EmbeddedBroker, formatAddress } from './options.ts';
import { type OwnedBroker, startOwner } from './own-broker.ts';
import { type Endpoint, readEndpoint } from './ownership/endpoint.ts';
import { tryLockFolder } from './ownership/folder-lock.ts';
import { PROFILES } from './profiles/profile.ts';

/** How often a process looks after the folder, which costs a guest under half a percent of a core. A take-over begins within one and a half of it. */
const LOOK_MS = 250;
/** What failed will hardly go sooner: each try of a take-over reads the logs again. */
const FAILED_MS = 2_000;

type Role =
  | { readonly kind: 'owner'; readonly owned: OwnedBroker; readonly endpoint: Endpoint }
  | { readonly kind: 'guest'; readonly endpoint: Endpoint };

const NO_FAULTS: FaultHooks = { push: () => {}, clear: () => {} };

/**
 * One process's part in the broker of a data folder, from the start to its close. A guest tries the lock again and again, which
 * it gets when the owner is gone and not before: an owner that stands still keeps it, and nobody serves meanwhile. An owner looks
 * whether its mark still stands, and becomes a guest where it does not.
 */
export class SharedBroker implements EmbeddedBroker {
  readonly #settings: BrokerSettings;
  readonly #closed = new AbortController();
  readonly #watching: Promise<void>;
  #role: Role;
  #complaint = '';

  constructor(settings: BrokerSettings, found: OwnedBroker | Endpoint) {
    this.#settings = settings;
    this.#role = 'isMine' in found ? ownerRole(found) : { kind: 'guest', endpoint: found };
    this.#watching = this.#watch();
  }

  get owner(): boolean {
    return this.#role.kind === 'owner';
  }

  get address(): string {
    return addressOf(this.#role.endpoint);
  }

  get clusterId(): string {
    return this.#role.endpoint.clusterId;
  }

  get faults(): FaultHooks {
    return this.#role.kind === 'owner' ? this.#role.owned.faults : NO_FAULTS;
  }

  async close(): Promise<void> {
    this.#closed.abort();
    await this.#watching;
    if (this.#role.kind === 'owner') await this.#role.owned.close();
  }

  async #watch(): Promise<void> {
    const { signal } = this.#closed;
    while (!signal.aborted) {
      // Guests that always try at the same moment would get into each other's way.
      await delay((this.#complaint === '' ? LOOK_MS : FAILED_MS) * (0.5 + Math.random()), undefined, { signal, ref: false }).catch(
        () => {},
      );
      if (signal.aborted) return;
      try {
        await this.#look();
        this.#complaint = '';
      } catch (error) {
        this.#complain(error);
      }
    }
  }

  #look(): Promise<void> | void {
    if (this.#role.kind === 'guest') return this.#lookForOwner(this.#role.endpoint);
    return this.#role.owned.isMine() ? undefined : this.#stepDown(this.#role.owned);
  }

  async #lookForOwner(known: Endpoint): Promise<void> {
    const { dataDir, log } = this.#settings;
    const lock = await tryLockFolder(dataDir);
    const present = readEndpoint(dataDir);
    if (lock === undefined) {
      if (present?.clusterId !== known.clusterId || present.startedAt === known.startedAt) return;
      this.#role = { kind: 'guest', endpoint: present };
      log('info', 'the embedded broker has another owner', { address: addressOf(present), pid: present.pid });
      return;
    }
    if (present?.clusterId !== known.clusterId) {
      lock.release();
      const what = `the data folder ${dataDir} no longer holds the cluster ${known.clusterId}`;
      throw new PipelineError('PH_BROKER_DATA_DIR', what, {
        place: dataDir,
        hint: 'restore the folder, or start all hosts again on a new one',
      });
    }
    log('warn', 'the owner of the embedded broker is gone; this process takes over', { pid: present.pid, dataDir });
    const { profile, ...manner } = present.manner;
    this.#role = ownerRole(
      await startOwner({ ...this.#settings, ...manner, ...(profile !== undefined && { profile: PROFILES[profile] }) }, lock),
    );
  }

  async #stepDown(owned: OwnedBroker): Promise<void> {
    const { dataDir, log } = this.#settings;
    log('error', 'another process has taken the data folder of the embedded broker; this one stops serving it', { dataDir });
    await owned.close();
    this.#role = { kind: 'guest', endpoint: owned.endpoint };
  }

  /** Once for as long as it lasts. */
  #complain(error: unknown): void {
    const text = errorMessage(error);
    if (text !== this.#complaint) this.#settings.log('error', `cannot look after the embedded broker: ${text}`, { error });
    this.#complaint = text;
  }
}

function ownerRole(owned: OwnedBroker): Role {
  return { kind: 'owner', owned, endpoint: owned.endpoint };
}

function addressOf({ host, port }: Endpoint): string {
  return formatAddress(host, port);
}
