import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { it } from 'node:test';
import { sweepLeftovers } from '../../../host/src/engine/leftovers.ts';
import { createLogger } from '../../../host/src/observability/logger.ts';
import { openLocalStore } from '../../../host/src/storage/index.ts';
import { openStaging } from '../../../host/src/storage/staging.ts';
import { until } from '../kafka/contract-kit.ts';

const DAY = 24 * 3_600_000;

it('leftovers of killed processes are deleted when nobody can wait for them any more', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'ph-leftovers-'));
  const staging = await openStaging(join(folder, 'staging'));
  const store = openLocalStore(join(folder, 'files'));
  const aged = async (file: string, days: number): Promise<void> => {
    const then = new Date(Date.now() - days * DAY);
    await writeFile(file, 'x');
    await utimes(file, then, then);
  };
  const staged = async (days: number): Promise<string> => {
    const file = await staging.createFile(`${days} days.pdf`);
    await file.write([Buffer.from('x')]);
    const { uri } = await file.finish();
    await aged(staging.localPath(uri), days);
    return uri;
  };
  try {
    const [recent, old] = [await staged(7), await staged(9)];
    await mkdir(join(folder, 'files', 'a'), { recursive: true });
    for (const [name, days] of [
      ['.1.part', 2],
      ['.2.part', 0.5],
      ['object', 400],
    ] as const)
      await aged(join(folder, 'files', 'a', name), days);
    const sweeping = sweepLeftovers({
      staging,
      stores: [store],
      stagedFor: 8 * DAY,
      sweepPayloads: async () => {},
      log: createLogger({ level: 'error' }),
    });
    const stored = (): Promise<string[]> => readdir(join(folder, 'files', 'a'));
    await until('the store is swept', async () => (await stored()).length < 3);
    await sweeping.stop();
    assert.deepEqual((await stored()).sort(), ['.2.part', 'object']);
    assert.deepEqual([await staging.has(recent), await staging.has(old)], [true, false]);
  } finally {
    await rm(folder, { recursive: true });
  }
});
