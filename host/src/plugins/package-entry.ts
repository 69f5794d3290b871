import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { errorMessage, PipelineError } from '@pipeline-host/sdk';
import { exports as resolveExports } from 'resolve.exports';
import type { PluginPackage } from './manifest.ts';

/**
 * The file that an export of a package stands for, under the conditions that this process runs with. Resolved by hand: a
 * package in a folder, or installed below another one, cannot be asked for by its name from here.
 *
 * @param further conditions beside those
 * @throws PipelineError `PH_PLUGIN_ENTRY`
 */
export function entryFile({ root, packageName, packageJson, manifest }: PluginPackage, further: readonly string[] = []): string {
  const entry = manifest.entry ?? '.';
  const place = join(root, 'package.json');
  let target: string | undefined;
  try {
    target =
      packageJson['exports'] === undefined
        ? withoutExports(packageJson, entry)
        : resolveExports(packageJson, entry, { conditions: ['node', 'import', ...userConditions(), ...further], unsafe: true })?.[0];
  } catch (error) {
    throw new PipelineError('PH_PLUGIN_ENTRY', errorMessage(error), { place, cause: error });
  }
  if (target === undefined) throw new PipelineError('PH_PLUGIN_ENTRY', `${packageName} has no export "${entry}"`, { place });
  const file = join(root, target);
  if (!existsSync(file))
    throw new PipelineError('PH_PLUGIN_ENTRY', `the entry of ${packageName} is ${target}, which does not exist`, { place });
  return file;
}

function withoutExports({ main }: Readonly<Record<string, unknown>>, entry: string): string {
  if (entry !== '.') return entry;
  return typeof main === 'string' ? main : './index.js';
}

/** Conditions that were given to Node with -C. */
function userConditions(): readonly string[] {
  const args = [...(process.env['NODE_OPTIONS'] ?? '').split(/\s+/).filter((arg) => arg !== ''), ...process.execArgv];
  const { values } = parseArgs({
    args,
    strict: false,
    allowPositionals: true,
    options: { conditions: { type: 'string', short: 'C', multiple: true } },
  });
  return (values.conditions ?? []).filter((value) => typeof value === 'string');
}
