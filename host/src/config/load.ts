import { dirname } from 'node:path';
import { FaultList, isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { clusterFaults } from './cluster-faults.ts';
import { withDefaults, withoutFaulty } from './complete-config.ts';
import { type ConfigFile, findConfigFile } from './find-config.ts';
import type { HostConfig } from './host-config.ts';
import { formatOrigin, type Origin } from './origin.ts';
import { resolvePathSettings } from './path-settings.ts';
import { type PluginSchemas, schemaFor } from './plugin-schema.ts';
import { type SchemaFault, schemaFaults } from './schema-faults.ts';
import { isSecret, readText, schemaAt } from './schema-nodes.ts';
import { hasReference, resolveReferences } from './secrets.ts';
import { formatPath, getAt, isPlainObject, isWithin, type PlainObject, type SettingPath, setAt, settingsOf } from './setting-path.ts';
import { type ConfigRequest, folderOf, layConfig, originOf, placeOf, type WrittenConfig } from './written-config.ts';

export type { ConfigRequest, FlagSetting } from './written-config.ts';

/** One line of `config explain`. */
export interface ExplainedSetting {
  readonly path: string;
  /** References as they are written; secrets hidden. */
  readonly value: unknown;
  readonly origin: string;
  readonly description: string | undefined;
}

/** The config of a host, merged, resolved and checked. */
export interface LoadedConfig {
  readonly config: HostConfig;
  /** Absolute path of the config file; null without one. */
  readonly file: string | null;
  /** Folder that paths in the config are relative to. */
  readonly folder: string;
  /** By the path of each setting, e.g. `kafka.brokers`. */
  readonly origins: ReadonlyMap<string, Origin>;
  /** Values of the secrets that are resolved here: whoever writes logs hides them. */
  readonly secrets: readonly string[];
  /** For the user to read at start. */
  readonly warnings: readonly string[];
  /** What is set, or with `all` also what has its default. */
  explain(options?: { readonly all?: boolean }): readonly ExplainedSetting[];
  /**
   * A text with its references resolved anew: a file that changed gives its present content.
   *
   * @throws PipelineError `PH_CONFIG_SECRET`
   */
  readAgain(path: SettingPath): string;
  /**
   * The same config with the sections of these plugins checked against their own schemas, keys of the environment
   * matched to them, defaults filled in and secrets resolved. Sections of other plugins stay as they are.
   *
   * @throws FaultList
   */
  forPlugins(plugins: PluginSchemas): LoadedConfig;
  /** Like {@link LoadedConfig.forPlugins}, with the faults beside what is right. */
  checkPlugins(plugins: PluginSchemas): CheckedConfig;
}

/** A config with all that is wrong with it: for whoever looks for more faults before refusing it. */
export interface CheckedConfig {
  /** Without the settings that are wrong, as if they had not been written. */
  readonly config: LoadedConfig;
  readonly faults: readonly PipelineError[];
}

/**
 * Finds and merges the config: flag over environment over file over defaults. References to secrets are resolved but in
 * the sections of plugins, whose secrets only the processes have that run them: see `forPlugins`.
 *
 * @throws FaultList with everything that is wrong, or PipelineError where the file cannot be read
 */
export async function loadConfig(request: ConfigRequest): Promise<LoadedConfig> {
  return orThrow(await checkConfig(request));
}

/** Like {@link loadConfig}, with the faults beside what is right. @throws PipelineError where the file cannot be read */
export async function checkConfig(request: ConfigRequest): Promise<CheckedConfig> {
  return assemble(request, await findConfigFile(request.cwd, request.file), new Map());
}

function orThrow({ config, faults: [first, ...others] }: CheckedConfig): LoadedConfig {
  if (first !== undefined) throw new FaultList([first, ...others]);
  return config;
}

interface Assembly extends WrittenConfig {
  readonly plugins: PluginSchemas;
}

function assemble(request: ConfigRequest, file: ConfigFile | null, plugins: PluginSchemas): CheckedConfig {
  const assembly: Assembly = { ...layConfig(request, file, schemaFor(plugins)), plugins };
  const { schema, faults, written } = assembly;
  const { resolved, unresolved } = resolveSecrets(assembly);
  const complete = withDefaults(schema, resolved);
  const wrong = [...schemaFaults(schema, complete, [], (path) => isReferred(written, path)), ...clusterFaults(complete)].filter(
    // What a reference stands for is not known here, so it cannot be wrong.
    ({ code, path }) => code !== 'PH_CONFIG_INVALID' || !unresolved.some((setting) => isWithin(path, setting)),
  );
  faults.push(...wrong.map((fault) => faultAt(assembly, fault)));
  const config = wrong.length === 0 ? complete : withoutFaulty(schema, resolved, wrong);
  noteDefaults(assembly, config);

  resolvePathSettings(config, (path) => folderOf(assembly, path));
  const embedded = getAt(config, ['kafka', 'brokers']) === 'embedded';
  const checkPlugins = (added: PluginSchemas): CheckedConfig => assemble(request, file, new Map([...plugins, ...added]));
  const loaded: LoadedConfig = {
    // The one decoded boundary: the value was just checked against this schema.
    config: config as unknown as HostConfig,
    file: file?.file ?? null,
    folder: file === null ? request.cwd : dirname(file.file),
    origins: assembly.origins,
    secrets: [...settingsOf(complete)].flatMap(({ path, value }) =>
      typeof value === 'string' && isSecret(schemaAt(schema, path)) && !isForeign(assembly, path) ? [value] : [],
    ),
    warnings: embedded ? ['single machine, not replicated: the embedded broker keeps all records in the data folder'] : [],
    explain: (options = {}) => explain(assembly, config, options.all ?? false),
    readAgain: (path) => String(resolveSetting(assembly, path, getAt(written, path))),
    forPlugins: (added) => orThrow(checkPlugins(added)),
    checkPlugins,
  };
  return { config: loaded, faults };
}

/** Whether a setting, or the list that it stands in, is written as a reference. */
function isReferred(written: PlainObject, path: SettingPath): boolean {
  for (let length = path.length; length > 0; length--) {
    const value = getAt(written, path.slice(0, length));
    if (value !== undefined) return hasReference(value);
  }
  return false;
}

function faultAt(assembly: Assembly, { path, code, message, hint }: SchemaFault): PipelineError {
  return new PipelineError(code, message, { place: placeOf(assembly, path), ...(hint !== undefined && { hint }) });
}

/** References replaced by what they stand for, but those of plugins that are not run here. What cannot be found is a fault. */
function resolveSecrets(assembly: Assembly): { readonly resolved: PlainObject; readonly unresolved: readonly SettingPath[] } {
  const resolved: PlainObject = structuredClone(assembly.written);
  const unresolved: SettingPath[] = [];
  for (const { path, value } of settingsOf(assembly.written)) {
    if (!hasReference(value)) continue;
    if (isForeign(assembly, path)) {
      unresolved.push(path);
      continue;
    }
    try {
      const found = resolveSetting(assembly, path, value);
      // A reference is a text; `port: ${env:PORT}` means the number.
      setAt(resolved, path, typeof found === 'string' ? readText(schemaAt(assembly.schema, path) ?? undefined, found) : found);
    } catch (error) {
      if (!isPipelineError(error)) throw error;
      assembly.faults.push(error);
      unresolved.push(path);
    }
  }
  return { resolved, unresolved };
}

function resolveSetting(assembly: Assembly, path: SettingPath, value: unknown): unknown {
  return resolveReferences(value, {
    env: assembly.request.env,
    folder: folderOf(assembly, path),
    place: placeOf(assembly, path),
  });
}

/** In the section of a plugin that this process does not run. Which package it is, every process may ask. */
function isForeign({ plugins }: Assembly, [section, plugin = '', key]: SettingPath): boolean {
  return section === 'plugins' && !plugins.has(plugin) && key !== 'package';
}

function noteDefaults({ plugins, origins }: Assembly, config: PlainObject): void {
  for (const { path } of settingsOf(config)) {
    const name = formatPath(path);
    const [section, plugin = '', key] = path;
    if (!origins.has(name))
      origins.set(
        name,
        section === 'plugins' && key === 'config' && plugins.has(plugin) ? { kind: 'plugin', plugin } : { kind: 'default' },
      );
  }
}

function explain(assembly: Assembly, config: PlainObject, all: boolean): ExplainedSetting[] {
  return [...settingsOf(config)]
    .map(({ path, value }) => {
      const schema = schemaAt(assembly.schema, path);
      const origin = originOf(assembly, path) ?? { kind: 'default' };
      const written = getAt(assembly.written, path);
      const shown = hasReference(written) ? written : isSecret(schema) ? '(hidden)' : value;
      return { path: formatPath(path), value: shown, origin, description: schema?.description };
    })
    .filter(
      ({ origin, path, value }) =>
        (all ? true : (origin.kind !== 'default' && origin.kind !== 'plugin') || path === 'kafka.brokers') &&
        !(isPlainObject(value) && !all),
    )
    .map(({ origin, ...setting }) => ({ ...setting, origin: formatOrigin(origin) }))
    .sort((a, b) => (a.path < b.path ? -1 : 1));
}
