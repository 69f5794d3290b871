import type { TableFolder } from '../data-files.ts';
import { CommitConflictError, deltaError } from '../delta-errors.ts';
import { type CommitRequest, commitActions } from '../log/commit.ts';
import { checkWritable } from '../log/protocol.ts';
import type { Snapshot } from '../log/snapshot.ts';
import { schemaText, type TableSpec } from './schema.ts';
import { fitSchema, liveTable } from './schema-fit.ts';

const ATTEMPTS = 20;

/**
 * Adds the nullable columns of a definition that a live table lacks, in one commit; gives their names, none where it lacks
 * none. A table of a protocol that we may not write, or that does not fit otherwise, is left as it is, with
 * `PH_DELTA_PROTOCOL` or `PH_DELTA_SCHEMA`. Where another writer changes the table meanwhile, it is looked at again.
 */
export async function addMissingColumns(table: TableFolder, snapshot: Snapshot, spec: TableSpec): Promise<readonly string[]> {
  for (let attempt = 1; ; attempt += 1) {
    const { protocol, metaData } = snapshot;
    if (protocol === null || metaData === null)
      throw deltaError('PH_DELTA_LOG_DAMAGED', table.path, `the log of ${table.path} holds no protocol or no metadata`);
    const live = liveTable(table.path, protocol, metaData);
    checkWritable(table.path, protocol, metaData, live.fields);
    const { missing } = fitSchema(table.path, live, spec, 'wanted');
    if (missing.length === 0) return [];
    const names = missing.map(({ name }) => name);
    const request: CommitRequest = {
      actions: [{ metaData: { ...metaData, schemaString: schemaText(missing, live.fields) } }],
      operation: 'ADD COLUMNS',
      operationParameters: { columns: JSON.stringify(names) },
      reads: 'nothing', // rows that others append meanwhile have null there
    };
    try {
      await commitActions(table, snapshot, request);
      return names;
    } catch (error) {
      const isOvertaken = error instanceof CommitConflictError && error.rule !== 'TooManyRetries';
      if (!isOvertaken || attempt === ATTEMPTS) throw error;
    }
  }
}
