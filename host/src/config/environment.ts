import { PipelineError, type TSchema } from '@pipeline-host/sdk';
import { nearest } from './did-you-mean.ts';
import { list } from './schema-faults.ts';
import { matchKeys, readText, schemaAt } from './schema-nodes.ts';
import type { SettingPath } from './setting-path.ts';

/** Variables with this prefix are settings: `PIPELINE_HOST__KAFKA__BROKERS`. */
export const ENVIRONMENT_PREFIX = 'PIPELINE_HOST__';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface EnvironmentSetting {
  readonly variable: string;
  readonly path: SettingPath;
  readonly value: unknown;
}

/**
 * The settings that the environment gives, sorted so that a deeper variable is laid over a shallower one.
 *
 * @param existing the config so far: it knows the names of plugins and workers that the schema leaves open
 */
export function readEnvironment(
  env: Environment,
  schema: TSchema,
  existing: unknown,
): { readonly settings: EnvironmentSetting[]; readonly faults: PipelineError[] } {
  const settings: EnvironmentSetting[] = [];
  const faults: PipelineError[] = [];
  for (const [variable, text] of Object.entries(env)) {
    if (!variable.toUpperCase().startsWith(ENVIRONMENT_PREFIX) || text === undefined) continue;
    const keys = variable.slice(ENVIRONMENT_PREFIX.length).split('__');
    const match = matchKeys(schema, keys, existing);
    if ('path' in match) settings.push({ variable, path: match.path, value: readText(schemaAt(schema, match.path) ?? undefined, text) });
    else faults.push(unknownVariable(variable, keys, match));
  }
  settings.sort((a, b) => a.path.length - b.path.length);
  return { settings, faults };
}

function unknownVariable(
  variable: string,
  keys: readonly string[],
  { unknown, known }: { readonly unknown: number; readonly known: readonly string[] },
): PipelineError {
  const toVariable = (key: string): string =>
    key
      .replaceAll(/([a-z])([A-Z])/g, '$1_$2')
      .replaceAll('-', '_')
      .toUpperCase();
  const meant = nearest(keys[unknown] ?? '', known);
  const corrected = keys.map((key, index) => (index === unknown && meant !== null ? toVariable(meant) : key)).join('__');
  return new PipelineError('PH_CONFIG_ENVIRONMENT', `${variable} names no setting: there is no "${keys[unknown]}"`, {
    place: `environment variable ${variable}`,
    hint:
      meant === null
        ? `unset it${known.length === 0 ? '' : `; in its place can stand ${list(known.map(toVariable))}`}`
        : `did you mean ${ENVIRONMENT_PREFIX}${corrected}?`,
  });
}
