import { PipelineError, type TableDefinition, type TableWriterDefinition } from '@pipeline-host/sdk';
import type { RecordOptions } from './given-record.ts';
import type { LazyStage, WorkerUnderTest } from './lazy-stage.ts';
import type { StoredRow } from './stored-row.ts';
import type { TableRun, WriteResult } from './table-run.ts';

/** A table writer with real tables in a folder of its own, and no broker. */
export interface TestedTableWriter extends WorkerUnderTest {
  /** Writes the rows of one message, in a commit of their own. */
  handle(message: unknown, record?: RecordOptions): Promise<WriteResult>;
  /** Writes the rows of messages in one commit. Results in the order of the messages. */
  handleBatch(messages: readonly unknown[], record?: RecordOptions): Promise<readonly WriteResult[]>;
  /** All rows of a table, read back from its files; which table need not be said where the writer has one. */
  rows(table?: TableDefinition | string): Promise<readonly StoredRow[]>;
}

export function testedTableWriter(writer: TableWriterDefinition, lazy: LazyStage): TestedTableWriter {
  let opening: Promise<TableRun> | null = null;
  const open = (): Promise<TableRun> => {
    // Loaded here, since a worker without tables needs none of it.
    opening ??= lazy.open().then(async (stage) => (await import('./table-run.ts')).TableRun.open(stage, writer));
    return opening;
  };
  const write = async (messages: readonly unknown[], record?: RecordOptions): Promise<readonly WriteResult[]> =>
    (await open()).write(lazy.records(writer.consumes, messages, record));
  lazy.plugin.closeFirst(async () => {
    (await opening?.catch(() => null))?.close();
    opening = null;
  });
  return {
    ...lazy.plugin.shown(),
    async handle(message, record) {
      const [result] = await write([message], record);
      if (result === undefined) throw new TypeError('no message was given');
      return result;
    },
    handleBatch: write,
    async rows(table = soleTable(writer)) {
      return (await open()).rows(typeof table === 'string' ? table : table.name);
    },
  };
}

function soleTable({ writes }: TableWriterDefinition): TableDefinition {
  const [table, ...more] = writes;
  if (table !== undefined && more.length === 0) return table;
  throw new PipelineError('PH_TABLE_UNKNOWN', `the writer has ${writes.length} tables`, { hint: 'say which: rows(table)' });
}
