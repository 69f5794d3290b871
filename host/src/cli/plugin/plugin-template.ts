import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { PipelineError } from '@pipeline-host/sdk';
import { HOST_VERSION } from '../../version.ts';

/** A plugin called `sample`, which is checked and tested as it is. A leading `_` keeps a file from meaning something to npm and to linters there. */
const TEMPLATE = fileURLToPath(new URL('../../../template', import.meta.url));
const NAME = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/**
 * Writes the package of a new plugin.
 *
 * @returns the files, relative to the folder
 * @throws PipelineError `PH_CLI_ARGUMENT` for a name that is none, `PH_PLUGIN_FOLDER_TAKEN`
 */
export async function createPlugin(name: string, folder: string): Promise<readonly string[]> {
  if (!NAME.test(name)) {
    const hint = 'lower-case letters and digits, with single dashes between, such as green-house';
    throw new PipelineError('PH_CLI_ARGUMENT', `"${name}" cannot be the name of a plugin`, { place: 'plugin create <name>', hint });
  }
  await mkdir(folder, { recursive: true });
  if ((await readdir(folder)).length > 0) {
    throw new PipelineError('PH_PLUGIN_FOLDER_TAKEN', `the folder ${folder} is not empty`, { place: folder });
  }
  const entries = await readdir(TEMPLATE, { recursive: true, withFileTypes: true });
  const written: string[] = [];
  for (const entry of entries) {
    if (!entry.isFile()) continue;
    const source = join(entry.parentPath, entry.name);
    const path = join(entry.parentPath.slice(TEMPLATE.length + 1), entry.name.replace(/^_/, ''));
    const target = join(folder, path);
    await mkdir(dirname(target), { recursive: true });
    await writeFile(target, renamed(await readFile(source, 'utf8'), name));
    written.push(path);
  }
  return written.sort();
}

/** The name as it stands in package and topics, tables (`green_house_orders`) and codes (`GREEN_HOUSE_COUNT`). */
function renamed(text: string, name: string): string {
  const underscored = name.replaceAll('-', '_');
  return text
    .replaceAll('sample_', `${underscored}_`)
    .replaceAll('SAMPLE_', `${underscored.toUpperCase()}_`)
    .replaceAll('sample', name)
    .replaceAll('^0.0.0', `^${HOST_VERSION}`);
}
