import { formatId } from '../../host/src/dlq/dead-letter.ts';
import { applyEntry, type Disposition, type Entry, UNTOUCHED } from '../../host/src/dlq/disposition.ts';
import { HEADER, headerText } from '../../host/src/retry/headers.ts';
import type { SimulatedLog } from './simulated-log.ts';
import { DEAD, DISPOSITIONS } from './worker-names.ts';

/** By id and count, the replays of a worker's dead letters that stand as done in the journal. */
export function replayedLetters(log: SimulatedLog, worker: string): readonly string[] {
  const dispositions = new Map<string, { readonly partition: number; readonly offset: number; readonly disposition: Disposition }>();
  for (const record of (log.topics.get(DISPOSITIONS) ?? []).flat()) {
    if (record === null) continue;
    const entry = JSON.parse(record.value?.toString() ?? '') as Entry;
    const { partition, offset } = entry;
    const id = formatId({ queue: DEAD, partition, offset });
    dispositions.set(id, { partition, offset, disposition: applyEntry(dispositions.get(id)?.disposition ?? UNTOUCHED, entry) });
  }
  return [...dispositions].flatMap(([id, { partition, offset, disposition }]) =>
    headerText(log.partition(DEAD, partition)[offset]?.headers, HEADER.worker) === worker
      ? Array.from({ length: disposition.replays }, (_, nth) => `${id} ${nth + 1}`)
      : [],
  );
}
