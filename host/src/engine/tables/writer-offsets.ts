import type { DeltaTable, ReadTxn } from '../../delta/index.ts';

/**
 * Under which names a writer's offsets stand among the transactions of a table. A new cluster or topic must never meet the
 * offsets of an old one, so both are part of the name. Where that is not enough, because a topic was made anew under its
 * name or its records are to be written again, `tables rebase` begins a new generation. It is kept in the table, so that no
 * process can be of another one.
 */
export class WriterOffsets {
  readonly #clusterId: string;
  readonly #writer: string;

  constructor(clusterId: string, worker: { readonly plugin: { readonly name: string }; readonly name: string }) {
    this.#clusterId = clusterId;
    this.#writer = `${worker.plugin.name}.${worker.name}`;
  }

  /** The app id of a partition, in the generation that the table is in. */
  appId(table: Pick<DeltaTable, 'lastTxn'>, topic: string, partition: number): string {
    const generation = this.generation(table);
    return `${this.#clusterId}/${this.#writer}/${topic}/${partition}${generation > 1n ? `#${generation}` : ''}`;
  }

  /** 1 until the table is rebased for the first time. */
  generation(table: Pick<DeltaTable, 'lastTxn'>): bigint {
    return table.lastTxn(this.generationId) ?? 1n;
  }

  /** The app id whose version is the generation. */
  get generationId(): string {
    return `pipeline-host/${this.#writer}/generation`;
  }

  /** What every write relies on: that the generation is still this one. */
  read(table: Pick<DeltaTable, 'lastTxn'>): ReadTxn {
    return { appId: this.generationId, version: table.lastTxn(this.generationId) };
  }
}
