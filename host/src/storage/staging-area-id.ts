import { randomUUID } from 'node:crypto';
import { link, open, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { PipelineError } from '@pipeline-host/sdk';
import { errorCode } from './staging-failure.ts';

const AREA_FILE = '.area.json';
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

/**
 * The id of the staging area in a folder, made on first use. Of processes that race for it one wins, and all get its id:
 * the file appears with its content, by `link()`, or not at all.
 *
 * @throws PipelineError `PH_STAGING_AREA` for a file that holds no id
 */
export async function areaId(root: string): Promise<string> {
  const path = join(root, AREA_FILE);
  return (await readId(path)) ?? (await createId(root, path));
}

async function createId(root: string, path: string): Promise<string> {
  const id = randomUUID();
  const draft = join(root, `${AREA_FILE}.${id}`);
  try {
    const handle = await open(draft, 'wx', 0o640);
    try {
      await handle.writeFile(`${JSON.stringify({ id, created: new Date().toISOString() })}\n`);
      await handle.sync();
    } finally {
      await handle.close();
    }
    await link(draft, path);
    return id;
  } catch (error) {
    const winner = errorCode(error) === 'EEXIST' ? await readId(path) : null;
    if (winner === null) throw error;
    return winner;
  } finally {
    await rm(draft, { force: true });
  }
}

async function readId(path: string): Promise<string | null> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null;
    throw error;
  }
  const id = parseId(text);
  if (id === null) throw new PipelineError('PH_STAGING_AREA', `${path} holds no id of a staging area`, { place: path });
  return id;
}

function parseId(text: string): string | null {
  try {
    const area: unknown = JSON.parse(text);
    const id = typeof area === 'object' && area !== null && 'id' in area ? area.id : null;
    return typeof id === 'string' && UUID.test(id) ? id : null;
  } catch {
    return null;
  }
}
