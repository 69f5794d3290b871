/**
 * A process that writes to a log and compacts it all the time: `node compaction-process.ts <folder> <first number>`. Record n has
 * the key `k<n mod 100>`. Prints the last number of each batch that was stored, and `compacted` after each compaction.
 */
import { writeSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { PartitionLog } from '../../../host/src/embedded/log/partition-log.ts';
import { buildBatch } from './batch-builder.ts';

const [folder = '', first = '0'] = process.argv.slice(2);
const compaction = { deleteRetentionMs: 0, minCleanableRatio: 0, minLagMs: 0, maxLagMs: 1e12, segmentMs: 1e12 };
const limits = { segmentBytes: 20_000, maxMessageBytes: 1 << 20, retentionMs: -1, retentionBytes: -1, compaction };
const log = new PartitionLog(folder, { limits: () => limits, cleanShutdown: false });

let next = Number(first);
let isCompacting = false;
for (;;) {
  const values = Array.from({ length: 20 }, () => ({ key: `k${next % 100}`, value: String(next++).padStart(12, '0') }));
  const { error } = log.append(buildBatch({ values }));
  if (error) throw new Error(`refused with ${error}`);
  writeSync(1, `${next - 1}\n`);
  if (!isCompacting) {
    isCompacting = true;
    void log.compact(2_000, new AbortController().signal).then((done) => {
      isCompacting = false;
      if (done) writeSync(1, 'compacted\n');
    });
  }
  await turn();
}
