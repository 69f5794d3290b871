import type { TopicBalance } from '../status.ts';
import type { PartitionState } from './partition-state.ts';

/**
 * The account of each topic over the partitions that are held, since they were assigned: every offset is invisible, settled
 * or open. Each sum is counted by itself, so that what does not add up is seen. Null until the ends of all are known.
 */
export function balanceOf(partitions: readonly PartitionState[]): readonly TopicBalance[] | null {
  const balances: TopicBalance[] = [];
  for (const [topic, states] of Map.groupBy(partitions, (state) => state.topic)) {
    const sum = { start: 0, end: 0, invisible: 0, settled: 0, open: 0 };
    for (const { ledger, head } of states) {
      if (head === null) return null;
      const end = Math.max(head, ledger.end);
      sum.start += ledger.start;
      sum.end += end;
      sum.invisible += ledger.invisible;
      sum.settled += ledger.settled;
      sum.open += ledger.open + end - ledger.end;
    }
    balances.push({ topic, ...sum, missing: sum.end - sum.start - sum.invisible - sum.settled - sum.open });
  }
  return balances;
}
