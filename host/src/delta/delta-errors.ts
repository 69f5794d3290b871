import { type ErrorDetails, PermanentError, PipelineError, TransientError, UnavailableError } from '@pipeline-host/sdk';

/** One value that a table refuses. */
export interface RowFault {
  /** Index of the row in its block, from 0. */
  readonly index: number;
  /** The column, or null where the whole row is at fault. */
  readonly column: string | null;
  readonly reason: string;
}

/**
 * Rows of a block cannot be rows of the table: `PH_DELTA_ROW_CONVERSION`, or `PH_DELTA_NULL_KEY` where only merge keys
 * are null. Raised before anything is committed and complete: without the named rows the block goes through.
 */
export class RowConversionError extends PermanentError {
  /** At least one entry for each refused row, by index. */
  readonly rows: readonly RowFault[];

  constructor(code: 'PH_DELTA_ROW_CONVERSION' | 'PH_DELTA_NULL_KEY', table: string, rows: readonly RowFault[]) {
    const first = rows[0];
    const shown =
      first === undefined ? '' : `: row ${first.index}${first.column === null ? '' : `, column ${first.column}`}: ${first.reason}`;
    super(code, `${new Set(rows.map((row) => row.index)).size} rows do not fit table ${table}${shown}`, { place: table });
    this.rows = rows;
  }
}

/** Another process wrote for some of our app ids since we read the table. The rest of the batch may be written without their rows. */
export class TxnConflictError extends TransientError {
  readonly appIds: readonly string[];

  constructor(table: string, appIds: readonly string[]) {
    super('PH_DELTA_TXN_CONFLICT', `another writer committed to ${table} for ${appIds.join(', ')}`, { place: table });
    this.appIds = appIds;
  }
}

/** Why a commit lost against another one, by the rules of Delta's conflict checker. */
export type ConflictRule =
  | 'ProtocolChanged'
  | 'MetadataChanged'
  | 'ConcurrentDeleteRead'
  | 'ConcurrentDeleteDelete'
  | 'ConcurrentAppend'
  | 'TooManyRetries';

/** The operation was overtaken by another writer: nothing of it is in the table. Computing it again may succeed. */
export class CommitConflictError extends TransientError {
  readonly rule: ConflictRule;

  constructor(table: string, rule: ConflictRule, version: number) {
    super('PH_DELTA_CONFLICT', `the commit to ${table} lost against version ${version}: ${rule}`, { place: table });
    this.rule = rule;
  }
}

/** A table that was opened is not in its place any more. Raised before anything is written there. */
export class TableGoneError extends UnavailableError {
  constructor(table: string, details: Omit<ErrorDetails, 'place'> = {}) {
    super('PH_DELTA_GONE', `the log of table ${table} is not there any more`, { ...details, place: table });
  }
}

/** Whether a failed commit is known to be in no version: only then may its files be deleted. */
export function isKnownLost(error: unknown): boolean {
  return error instanceof CommitConflictError || error instanceof TxnConflictError || error instanceof TableGoneError;
}

/** An error of the `PH_DELTA_*` codes about one table. */
export function deltaError(
  code: `PH_DELTA_${string}`,
  table: string,
  message: string,
  details: Omit<ErrorDetails, 'place'> = {},
): PipelineError {
  return new PipelineError(code, message, { ...details, place: table });
}
