/**
 * Runs the commits of one table one after the other, in the order in which the operations were begun, while their data
 * files are written side by side. An operation fails if an earlier one that shares an app id failed: its later offsets in
 * the log would say that the earlier rows are there.
 */
export class WriteQueue {
  #tail: Promise<unknown> = Promise.resolve();
  readonly #open = new Set<OpenOperation>();

  /** Runs `prepare` at once and `finish` when it is this operation's turn. `onBroken` makes the error for a failed predecessor. */
  async run<P, R>(
    appIds: readonly string[],
    prepare: () => Promise<P>,
    finish: (prepared: P) => Promise<R>,
    onBroken: (prepared: P) => Promise<never>,
  ): Promise<R> {
    const operation: OpenOperation = { appIds: new Set(appIds), failed: false };
    const earlier = [...this.#open].filter((other) => appIds.some((appId) => other.appIds.has(appId)));
    this.#open.add(operation);
    const turn = this.#tail;
    const prepared = prepare();
    const done = (async () => {
      // Both are awaited even if one fails: the turn must not pass while files are being written.
      const [, result] = await Promise.allSettled([turn, prepared]);
      if (result.status === 'rejected') throw result.reason;
      if (earlier.some((other) => other.failed)) return await onBroken(result.value);
      return await finish(result.value);
    })();
    this.#tail = done.then(
      () => this.#open.delete(operation),
      () => {
        operation.failed = true;
        this.#open.delete(operation);
      },
    );
    return await done;
  }

  /** Runs `work` alone, after what was begun before it. */
  exclusive<R>(work: () => Promise<R>): Promise<R> {
    return this.run(
      [],
      async () => {},
      work,
      () => Promise.reject(new Error('an operation without app ids has no predecessors')),
    );
  }

  /** Resolves when everything begun so far has ended. */
  async idle(): Promise<void> {
    await this.#tail;
  }
}

interface OpenOperation {
  readonly appIds: ReadonlySet<string>;
  failed: boolean;
}
