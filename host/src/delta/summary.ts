import { PLAIN_PROTOCOL } from './log/protocol.ts';
import type { Snapshot } from './log/snapshot.ts';
import { recordCount } from './read/file-pruning.ts';
import type { SchemaField } from './schema/column-type.ts';
import type { TableSummary } from './table-contract.ts';

/** What the log alone says of a table. */
export function summaryOf(snapshot: Snapshot, schema: readonly SchemaField[]): TableSummary {
  let rows: number | null = 0;
  let bytes = 0;
  for (const file of snapshot.files.values()) {
    const count = recordCount(file);
    rows = rows === null || count === null ? null : rows + count - (file.deletionVector?.cardinality ?? 0);
    bytes += file.size;
  }
  return {
    version: snapshot.version,
    rows,
    files: snapshot.files.size,
    bytes,
    schema,
    partitionBy: snapshot.metaData?.partitionColumns ?? [],
    protocol: snapshot.protocol ?? PLAIN_PROTOCOL,
    properties: snapshot.metaData?.configuration ?? {},
    description: snapshot.metaData?.description ?? null,
    lastCommit: snapshot.lastCommit,
    txns: [...snapshot.txns.values()],
  };
}
