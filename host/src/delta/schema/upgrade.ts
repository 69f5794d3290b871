import { isDeepStrictEqual } from 'node:util';
import { CommitConflictError, deltaError } from '../delta-errors.ts';
import type { Action, MetaData, Protocol } from '../log/actions.ts';
import { hasDeletionVectors, VECTOR_PROTOCOL, VECTORS_ENABLED } from '../log/protocol.ts';
import { hasPositions } from '../read/scan.ts';
import type { TableState } from '../table-state.ts';

const ATTEMPTS = 20;

/** What lets merges mark replaced rows by deletion vectors. No writer of ours takes it back. */
export interface ProtocolUpgrade {
  readonly from: Protocol;
  readonly to: Protocol;
  /** Features that readers, or writers, must know and need not before. */
  readonly readerFeatures: readonly string[];
  readonly writerFeatures: readonly string[];
  readonly properties: Readonly<Record<string, string>>;
}

/** Null where the table has deletion vectors already. */
export function planUpgrade({ folder, shape }: TableState): ProtocolUpgrade | null {
  const { protocol: from, metaData, fields } = shape;
  if (hasDeletionVectors(from, metaData)) return null;
  if (!hasPositions(fields))
    throw deltaError(
      'PH_DELTA_PROTOCOL',
      folder.path,
      `the table ${folder.path} cannot have deletion vectors: it has a column file_row_number`,
    );
  const readers = from.minReaderVersion < 3 ? [] : (from.readerFeatures ?? []);
  const writers = from.minWriterVersion < 7 ? [] : (from.writerFeatures ?? []);
  const to: Protocol = {
    minReaderVersion: 3,
    minWriterVersion: 7,
    readerFeatures: union(readers, VECTOR_PROTOCOL.readerFeatures),
    // What writers of version 2 had to know is listed by name from version 7 on.
    writerFeatures: union(writers, from.minWriterVersion < 7 ? VECTOR_PROTOCOL.writerFeatures : ['deletionVectors']),
  };
  return {
    from,
    to,
    readerFeatures: without(to.readerFeatures, readers),
    writerFeatures: without(to.writerFeatures, [...writers, ...(from.minWriterVersion === 2 ? ['appendOnly', 'invariants'] : [])]),
    properties: { [VECTORS_ENABLED]: 'true' },
  };
}

/**
 * Raises the protocol in one commit, on top of whatever others append or merge meanwhile; their merges compute again. Null
 * where there was nothing to do. Throws `PH_DELTA_PROTOCOL` for a table that we may not write.
 */
export async function upgradeTable(state: TableState): Promise<ProtocolUpgrade | null> {
  for (let attempt = 1; ; attempt += 1) {
    await state.advance();
    const { metaData } = state.check('write');
    const upgrade = planUpgrade(state);
    if (upgrade === null) return null;
    try {
      await state.commit({
        actions: actionsOf(upgrade, metaData),
        operation: 'SET TBLPROPERTIES',
        operationParameters: { properties: JSON.stringify(upgrade.properties) },
        reads: 'nothing',
      });
      return upgrade;
    } catch (error) {
      const isOvertaken = error instanceof CommitConflictError && error.rule !== 'TooManyRetries';
      if (!isOvertaken || attempt === ATTEMPTS) throw error;
    }
  }
}

function actionsOf({ from, to, properties }: ProtocolUpgrade, metaData: MetaData): readonly Action[] {
  const raised = isDeepStrictEqual(from, to) ? [] : [{ protocol: to }];
  return [...raised, { metaData: { ...metaData, configuration: { ...metaData.configuration, ...properties } } }];
}

function union(some: readonly string[], others: readonly string[] = []): readonly string[] {
  return [...new Set([...some, ...others])];
}

function without(some: readonly string[] = [], others: readonly string[]): readonly string[] {
  return some.filter((one) => !others.includes(one));
}
