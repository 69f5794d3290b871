import { isPipelineError } from '@pipeline-host/sdk';
import type { SqlConnection } from '../duckdb/engine.ts';
import { identifier } from '../schema/column-type.ts';
import type { RowSource } from './parquet-copy.ts';
import type { Partition } from './partition-value.ts';
import { endLines, type TableBlock, typedLines } from './row-block.ts';

/** What a wrong probe costs, a second pass over most of the block, is shared by so many blocks that are split unasked. */
const REST_AFTER_WRONG = 8;

/**
 * Tells from its first and its last line which partition all rows of a block are probably in, as with a stream of events
 * that is partitioned by day. Whoever writes them there has to see to it that none is of another.
 */
export class PartitionProbe {
  #rest = 0;

  /** Null where the rows are not in one, or nothing can be said. */
  async find(
    connection: SqlConnection,
    block: TableBlock,
    { fields, partitionBy }: Pick<RowSource, 'fields' | 'partitionBy'>,
  ): Promise<Partition | null> {
    if (partitionBy.length === 0) return null;
    if (this.#rest > 0) {
      this.#rest -= 1;
      return null;
    }
    const columns = fields.filter((field) => partitionBy.includes(field.name));
    try {
      const rows = typedLines('(VALUES ($1::VARCHAR), ($2::VARCHAR)) ends(line)', block, columns);
      const values = columns.map((field) => `${rows.value(field)} AS ${identifier(field.name)}`).join(', ');
      const texts = columns.map((field) => `CAST(${identifier(field.name)} AS VARCHAR)`).join(', ');
      const [first = [], last = []] = await connection.rows(
        `SELECT ${texts} FROM (SELECT ${values} FROM ${rows.relation})`,
        endLines(block.ndjson),
      );
      if (first.some((text, at) => text !== last[at])) return null;
      return new Map(columns.map(({ name }, at) => [name, typeof first[at] === 'string' ? first[at] : null]));
    } catch (error) {
      if (isPipelineError(error) && error.code === 'PH_DELTA_ENGINE') return null; // a bad row, which is named where all are read
      throw error;
    }
  }

  /** A block had rows in other partitions than it was found to be in. */
  wrong(): void {
    this.#rest = REST_AFTER_WRONG;
  }
}
