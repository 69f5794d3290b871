import { rmSync } from 'node:fs';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type DeltaEngine, type DeltaEngineOptions, openDeltaEngine } from '../../delta/index.ts';

/** A Delta engine with a temporary folder of its own, for as long as `use` runs. */
export async function withDeltaEngine<T>(
  { memoryLimit, threads }: Pick<DeltaEngineOptions, 'memoryLimit' | 'threads'>,
  use: (engine: DeltaEngine) => Promise<T>,
): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'pipeline-host-'));
  // Also where a reader of standard output went away, which ends the process.
  const remove = (): void => rmSync(scratch, { recursive: true, force: true });
  process.once('exit', remove);
  try {
    await using engine = await openDeltaEngine({
      ...(memoryLimit !== undefined && { memoryLimit }),
      ...(threads !== undefined && { threads }),
      tempDirectory: scratch,
    });
    return await use(engine);
  } finally {
    process.off('exit', remove);
    remove();
  }
}
