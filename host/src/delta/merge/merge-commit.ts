import { discardFiles } from '../data-files.ts';
import { CommitConflictError, deltaError, isKnownLost } from '../delta-errors.ts';
import { hasDeletionVectors, isAppendOnly } from '../log/protocol.ts';
import { areWritten, readIds, refuseWrittenTxns, txnActions } from '../log/txns.ts';
import { hasPositions } from '../read/scan.ts';
import type { RowBlock, TableBlock } from '../rows/row-block.ts';
import type { Merged, MergeOptions, Skipped, WriteTxn } from '../table-contract.ts';
import type { TableState } from '../table-state.ts';
import { computeMerge, NO_CHANGE } from './merge.ts';
import type { MergePlan } from './merge-plan.ts';
import { checkCondition, comparedColumns, conditionText, renamedCondition } from './update-condition.ts';

const ATTEMPTS = 20;

/** Merges on the newest version, and again from the start when another writer was faster. */
export async function mergeBlock(
  state: TableState,
  block: RowBlock,
  options: MergeOptions,
  txns: readonly WriteTxn[],
): Promise<Merged | Skipped> {
  for (let attempt = 1; ; attempt += 1) {
    await state.advance();
    if (areWritten(state.snapshot, txns)) return { skipped: true, version: state.snapshot.version };
    refuseWrittenTxns(state.folder.path, state.snapshot, options);
    try {
      return await mergeOnce(state, block, options, txns);
    } catch (error) {
      const again = error instanceof CommitConflictError && error.rule !== 'TooManyRetries' && attempt < ATTEMPTS;
      if (!again) throw error;
    }
  }
}

async function mergeOnce(state: TableState, given: RowBlock, options: MergeOptions, txns: readonly WriteTxn[]): Promise<Merged> {
  const { engine, folder } = state;
  const { fields, partitionBy, statisticsColumns, protocol, metaData, givenNames } = state.check('write rows');
  if (isAppendOnly(metaData))
    throw deltaError('PH_DELTA_APPEND_ONLY', folder.path, `the table ${folder.path} is append-only: it takes no merge`);
  const block: TableBlock = { ...given, givenNames, partitionBy };
  const plan = planOf(options, givenNames);
  const compared = plan.updateWhen === null ? [] : comparedColumns(plan.updateWhen);
  const named = [...plan.key, ...Object.keys(plan.policies), ...compared];
  const unknown = named.filter((name) => !fields.some((field) => field.name === name));
  if (unknown.length > 0) throw deltaError('PH_DELTA_SCHEMA', folder.path, `the table ${folder.path} has no column ${unknown.join(', ')}`);
  checkCondition(folder.path, plan);
  const target = { ...folder, fields, partitionBy, statisticsColumns, files: [...state.snapshot.files.values()] };
  const how = hasDeletionVectors(protocol, metaData) && hasPositions(fields) ? 'deletion vectors' : 'copy on write';
  const outcome =
    block.rows === 0 ? NO_CHANGE : await engine.withConnection((connection) => computeMerge(engine, connection, target, block, plan, how));
  try {
    const { version } = await state.commit({
      actions: [...txnActions(txns), ...outcome.actions],
      operation: 'MERGE',
      operationParameters: {
        predicate: plan.key.map((name) => `t.${name} = s.${name}`).join(' AND '),
        ...(plan.updateWhen !== null && {
          matchedPredicates: JSON.stringify([{ predicate: conditionText(plan.updateWhen), actionType: 'update' }]),
        }),
      },
      operationMetrics: {
        numSourceRows: String(block.rows),
        numTargetRowsInserted: String(outcome.inserted),
        numTargetRowsUpdated: String(outcome.updated),
      },
      reads: 'table',
      readTxns: readIds(options),
    });
    return {
      skipped: false,
      version,
      inserted: outcome.inserted,
      updated: outcome.updated,
      bytes: outcome.bytes,
    };
  } catch (error) {
    if (isKnownLost(error)) await discardFiles(folder, outcome.written);
    throw error;
  }
}

/** The plan in the names of the live table. */
function planOf({ key, policies = {}, updateWhen }: MergeOptions, givenNames: ReadonlyMap<string, string>): MergePlan {
  const liveNames = new Map([...givenNames].map(([live, given]) => [given, live]));
  const nameOf = (name: string): string => liveNames.get(name) ?? name;
  return {
    key: key.map(nameOf),
    policies: Object.fromEntries(Object.entries(policies).map(([name, policy]) => [nameOf(name), policy])),
    updateWhen: updateWhen === undefined ? null : renamedCondition(updateWhen, nameOf),
  };
}
