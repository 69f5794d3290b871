import { mkdir, readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';

/**
 * The data folder of one demo, made and empty: the given one, or a fresh `.pipeline-host/demo-<time>` below `cwd`. An
 * earlier run's folder is refused, since its records and rows would be counted again.
 *
 * @throws PipelineError `PH_DEMO_DATA_USED`, `PH_DEMO_DATA_DENIED`
 */
export async function prepareDemoFolder(given: string | undefined, cwd: string, now: Date): Promise<string> {
  const time = now.toISOString().slice(0, 19).replace(/[-:]/g, '').replace('T', '-');
  const folder = given === undefined ? join(cwd, '.pipeline-host', `demo-${time}-${process.pid}`) : resolve(cwd, given);
  const place = `--data ${folder}`;
  let entries: readonly string[];
  try {
    await mkdir(folder, { recursive: true });
    entries = await readdir(folder);
  } catch (cause) {
    const number = errorNumber(cause);
    const isInTheWay = number === 'EEXIST' || number === 'ENOTDIR';
    throw new PipelineError(
      'PH_DEMO_DATA_DENIED',
      `cannot make or read the folder: ${isInTheWay ? `a file is there (${number})` : number}`,
      {
        place,
        cause,
        ...(isInTheWay && { hint: 'name a folder that is empty or not there yet, or leave --data out' }),
      },
    );
  }
  if (entries.length > 0) throw new PipelineError('PH_DEMO_DATA_USED', 'the folder is not empty', { place });
  return folder;
}

function errorNumber(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}
