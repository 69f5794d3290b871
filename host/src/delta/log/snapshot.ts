import {
  type Action,
  type AddFile,
  type CommitInfo,
  type DomainMetadata,
  fileKey,
  type MetaData,
  type Protocol,
  type RemoveFile,
  type Txn,
} from './actions.ts';

/** The state of a table at one version, built by applying commits in order. */
export class Snapshot {
  #version = -1;
  #protocol: Protocol | null = null;
  #metaData: MetaData | null = null;
  #lastCommit: CommitInfo | null = null;
  readonly #files = new Map<string, AddFile>();
  readonly #tombstones = new Map<string, RemoveFile>();
  readonly #txns = new Map<string, Txn>();
  readonly #domains = new Map<string, DomainMetadata>();

  /** -1 before the first commit. */
  get version(): number {
    return this.#version;
  }
  get protocol(): Protocol | null {
    return this.#protocol;
  }
  get metaData(): MetaData | null {
    return this.#metaData;
  }
  /** What the newest commit says of itself; null after a checkpoint, which keeps no such thing. */
  get lastCommit(): CommitInfo | null {
    return this.#lastCommit;
  }
  get files(): ReadonlyMap<string, AddFile> {
    return this.#files;
  }
  get tombstones(): ReadonlyMap<string, RemoveFile> {
    return this.#tombstones;
  }
  get txns(): ReadonlyMap<string, Txn> {
    return this.#txns;
  }
  get domains(): ReadonlyMap<string, DomainMetadata> {
    return this.#domains;
  }

  /** Applies the actions of one version, or of a checkpoint. Versions are contiguous; the caller sees to it. */
  apply(actions: readonly Action[], version: number): void {
    this.#lastCommit = null;
    // Removes first: a commit may replace the deletion vector of a file by remove + add of one path.
    for (const { remove } of actions) {
      if (remove === undefined) continue;
      const key = fileKey(remove);
      this.#files.delete(key);
      this.#tombstones.set(key, remove);
    }
    for (const action of actions) this.#applyOne(action);
    this.#version = version;
  }

  /** Forgets files that were removed by then: as a checkpoint does, or a writer that lives long would remember all it ever removed. */
  forgetRemoved(until: number): void {
    for (const [key, { deletionTimestamp }] of this.#tombstones) if ((deletionTimestamp ?? 0) <= until) this.#tombstones.delete(key);
  }

  #applyOne(action: Action): void {
    if (action.add !== undefined) {
      const key = fileKey(action.add);
      this.#files.set(key, action.add);
      this.#tombstones.delete(key);
    }
    if (action.txn !== undefined) this.#txns.set(action.txn.appId, action.txn);
    if (action.metaData !== undefined) this.#metaData = action.metaData;
    if (action.protocol !== undefined) this.#protocol = action.protocol;
    if (action.commitInfo !== undefined) this.#lastCommit = action.commitInfo;
    if (action.domainMetadata !== undefined) this.#applyDomain(action.domainMetadata);
  }

  #applyDomain(domain: DomainMetadata): void {
    if (domain.removed) this.#domains.delete(domain.domain);
    else this.#domains.set(domain.domain, domain);
  }
}
