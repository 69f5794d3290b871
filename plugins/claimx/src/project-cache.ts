/** What is remembered of a project whose rows are written. */
export interface ProjectFacts {
  /** Of its policyholder; null where there is none. */
  readonly policyholderEmail: string | null;
}

interface Entry {
  readonly facts: ProjectFacts;
  readonly until: number;
}

export interface ProjectCacheOptions {
  /** Milliseconds. */
  readonly ttl: number;
  /** Projects at most: the one that was written longest ago goes first. */
  readonly size: number;
  /** Epoch milliseconds; for tests. */
  readonly now?: () => number;
}

/** Projects whose rows were written lately, so that not every event asks for its project again. */
export class ProjectCache {
  readonly #options: ProjectCacheOptions;
  readonly #entries = new Map<string, Entry>();

  constructor(options: ProjectCacheOptions) {
    this.#options = options;
  }

  get(projectId: string): ProjectFacts | null {
    const entry = this.#entries.get(projectId);
    if (entry === undefined) return null;
    if (entry.until > this.#now()) return entry.facts;
    this.#entries.delete(projectId);
    return null;
  }

  /** Only when the rows are acknowledged. */
  add(projectId: string, facts: ProjectFacts): void {
    this.#entries.delete(projectId);
    this.#entries.set(projectId, { facts, until: this.#now() + this.#options.ttl });
    for (const oldest of this.#entries.keys()) {
      if (this.#entries.size <= this.#options.size) break;
      this.#entries.delete(oldest);
    }
  }

  delete(projectId: string): void {
    this.#entries.delete(projectId);
  }

  #now(): number {
    return (this.#options.now ?? Date.now)();
  }
}
