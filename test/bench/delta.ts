import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bench } from './bench.ts';
import { measureAppends } from './delta-append.ts';
import { measureMerges } from './delta-merge.ts';
import { startDeltalake } from './deltalake.ts';

/** Our Delta tables alone, without Kafka, beside Python's `deltalake` on the same rows. */
export const delta: Bench = {
  name: 'delta',
  usesKafka: false,
  async run({ messages, repetitions }) {
    const folder = mkdtempSync(join(tmpdir(), 'pipeline-host-bench-delta-'));
    try {
      await using python = await startDeltalake();
      return [...(await measureAppends(folder, messages, repetitions, python)), ...(await measureMerges(folder, repetitions, python))];
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
