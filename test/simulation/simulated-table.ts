import { UnavailableError } from '@pipeline-host/sdk';
import {
  type Appended,
  type AppendOptions,
  type RowBlock,
  RowConversionError,
  type SchemaDifference,
  type Skipped,
  type WriteTxn,
  type WrittenBlock,
} from '../../host/src/delta/index.ts';
import { Snapshot } from '../../host/src/delta/log/snapshot.ts';
import { areWritten, refuseWrittenTxns, txnActions } from '../../host/src/delta/log/txns.ts';
import type { WriterTable } from '../../host/src/engine/tables/row-maker.ts';
import type { Network } from './network.ts';

export interface SimulatedRow {
  readonly id: string;
  readonly n: number;
  readonly life: number;
  /** No table has rows after the record's in this one. */
  readonly last: boolean;
  /** What the table cannot hold where it is beyond 32 bits. */
  readonly size: number;
}

interface Version {
  readonly txns: readonly WriteTxn[];
  readonly rows: readonly SimulatedRow[];
}

const MOST = 2 ** 31 - 1;

/** What the storage holds of one table: its log of versions, each with rows and the offsets that they cover. It outlives every member. */
export class SimulatedTable {
  readonly name: string;
  readonly versions: Version[] = [];
  readonly #onRow: (row: SimulatedRow) => void;

  constructor(name: string, onRow: (row: SimulatedRow) => void) {
    this.name = name;
    this.#onRow = onRow;
  }

  /** Puts the version there unless there is one. */
  putIfAbsent(at: number, version: Version): boolean {
    if (at < this.versions.length) return false;
    this.versions.push(version);
    for (const row of version.rows) this.#onRow(row);
    return true;
  }
}

/** A table as one member has it open: the real rules of transactions over a log in memory. */
export class OpenTable implements WriterTable {
  readonly differences: readonly SchemaDifference[] = [];
  readonly #table: SimulatedTable;
  readonly #network: Network;
  readonly #snapshot = new Snapshot();
  readonly #staged = new WeakMap<WrittenBlock, readonly SimulatedRow[]>();
  #isDead = false;

  constructor(table: SimulatedTable, network: Network) {
    this.#table = table;
    this.#network = network;
    this.#advance();
  }

  lastTxn(appId: string): bigint | null {
    return this.#snapshot.txns.get(appId)?.version ?? null;
  }

  async refresh(): Promise<number> {
    await this.#reach();
    this.#advance();
    return this.#snapshot.version;
  }

  #advance(): void {
    for (let next = this.#snapshot.version + 1; next < this.#table.versions.length; next++)
      this.#snapshot.apply(txnActions(this.#table.versions[next]?.txns), next);
  }

  async stage(block: RowBlock): Promise<WrittenBlock> {
    await this.#reach();
    const rows = Buffer.from(block.ndjson).toString('utf8').trimEnd().split('\n').map((line) => JSON.parse(line) as SimulatedRow); // biome-ignore format: one step
    const faults = rows.flatMap(({ size }, index) => (size > MOST ? [{ index, column: 'size', reason: 'beyond 32 bits' }] : []));
    if (faults.length > 0) throw new RowConversionError('PH_DELTA_ROW_CONVERSION', this.#table.name, faults);
    // Nobody looks into the shape of a table that has no files.
    const staged = { adds: [], rows: rows.length, bytes: block.ndjson.length } as unknown as WrittenBlock;
    this.#staged.set(staged, rows);
    return staged;
  }

  async discard(): Promise<void> {}

  async append(block: RowBlock | WrittenBlock, options: AppendOptions = {}): Promise<Appended | Skipped> {
    const { txns = [] } = options;
    const staged = 'ndjson' in block ? await this.stage(block) : block;
    const rows = this.#staged.get(staged) ?? [];
    for (;;) {
      const { version } = this.#snapshot;
      if (areWritten(this.#snapshot, txns)) return { skipped: true, version };
      refuseWrittenTxns(this.#table.name, this.#snapshot, options);
      await this.#reach();
      const isStored = this.#table.putIfAbsent(version + 1, { txns, rows });
      await this.#answer();
      this.#advance();
      if (isStored) return { skipped: false, version: version + 1, rows: rows.length, repeated: 0, files: 1, bytes: staged.bytes };
    }
  }

  async merge(): Promise<never> {
    throw new Error('the tables are appended to');
  }

  planOptimize() {
    return { files: 0, bytes: 0, purgedFiles: 0, newFiles: 0 };
  }

  /** A request is on its way to the storage. Killed meanwhile, it may arrive or not. */
  async #reach(): Promise<void> {
    const { random } = this.#network;
    if (this.#isDead) return new Promise(() => {});
    await this.#network.pass('store');
    if (this.#isDead && random.chance(0.5)) return new Promise(() => {});
    if (this.#fails()) throw new UnavailableError('PH_STORAGE_FAILED', 'the storage is away');
  }

  /** What was stored may be told or not. */
  async #answer(): Promise<void> {
    await this.#network.pass('answer');
    if (this.#isDead) return new Promise(() => {});
    if (this.#fails()) throw new UnavailableError('PH_STORAGE_FAILED', 'the storage did not answer');
  }

  #fails(): boolean {
    const { time, storageDownUntil, random } = this.#network;
    return time.now < storageDownUntil && random.chance(0.6);
  }

  kill(): void {
    this.#isDead = true;
  }
}
