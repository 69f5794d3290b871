import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { errorMessage, PipelineError, type PluginManifest, type Static, Type } from '@pipeline-host/sdk';
import { schemaFaults } from '../config/schema-faults.ts';

const MANIFEST = Type.Object(
  {
    plugin: Type.String({ pattern: '^[a-z0-9]([a-z0-9-]*[a-z0-9])?$' }),
    sdk: Type.String({ minLength: 1 }),
    entry: Type.Optional(Type.String({ minLength: 1 })),
    simulation: Type.Optional(Type.String({ minLength: 1 })),
  },
  { additionalProperties: false },
);

/** What a package says of itself, before any of its code runs. */
export interface PluginPackage {
  /** Absolute folder. */
  readonly root: string;
  readonly packageName: string;
  readonly version: string;
  readonly manifest: PluginManifest;
  /** The whole package.json. */
  readonly packageJson: Readonly<Record<string, unknown>>;
}

/** The package.json of a folder; null where there is none. @throws PipelineError `PH_PLUGIN_MANIFEST` */
export function readPackageJson(root: string): Readonly<Record<string, unknown>> | null {
  const file = join(root, 'package.json');
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    if (['ENOENT', 'ENOTDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return null;
    throw new PipelineError('PH_PLUGIN_MANIFEST', `cannot read package.json: ${errorMessage(error)}`, { place: file, cause: error });
  }
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch (error) {
    throw new PipelineError('PH_PLUGIN_MANIFEST', 'package.json is not JSON', { place: file, cause: error });
  }
}

/**
 * Reads and checks `package.json#pipelineHost`.
 *
 * @throws PipelineError `PH_PLUGIN_MANIFEST`
 */
export function readManifest(root: string): PluginPackage {
  const place = join(root, 'package.json');
  const packageJson = readPackageJson(root);
  if (packageJson === null)
    throw new PipelineError('PH_PLUGIN_MANIFEST', 'the folder has no package.json, so it is not a plugin', { place: root });
  const { pipelineHost, name, version } = packageJson;
  if (pipelineHost === undefined)
    throw new PipelineError('PH_PLUGIN_MANIFEST', 'package.json has no "pipelineHost", so the package is not a plugin', { place });
  const [first] = schemaFaults(MANIFEST, pipelineHost, ['pipelineHost'], () => false);
  if (first !== undefined)
    throw new PipelineError('PH_PLUGIN_MANIFEST', first.message, { place, ...(first.hint !== undefined && { hint: first.hint }) });
  const manifest = pipelineHost as Static<typeof MANIFEST> as PluginManifest;
  return {
    root,
    packageName: typeof name === 'string' ? name : root,
    version: typeof version === 'string' ? version : '0.0.0',
    manifest,
    packageJson,
  };
}
