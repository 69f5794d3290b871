import { dirname } from 'node:path';
import { FaultList, PipelineError, type TSchema } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { type Environment, readEnvironment } from './environment.ts';
import { type ConfigFile, findConfigFile } from './find-config.ts';
import type { HostConfig } from './host-config.ts';
import { formatOrigin, type Origin } from './origin.ts';
import { resolvePathSettings } from './path-settings.ts';
import { type PluginSchemas, schemaFor } from './plugin-schema.ts';
import { schemaFaults } from './schema-faults.ts';
import { isSecret, readText, schemaAt } from './schema-nodes.ts';
import { hasReference, resolveReferences } from './secrets.ts';
import { formatPath, getAt, isPlainObject, type PlainObject, type SettingPath, setAt, settingsOf } from './setting-path.ts';

/** A setting that wins over environment and file. */
export interface FlagSetting {
  /** As the user wrote it, e.g. `--port`. */
  readonly flag: string;
  readonly path: SettingPath;
  /** A whole object sets each setting in it. */
  readonly value: unknown;
}

export interface ConfigRequest {
  /** Where the search for the file starts, and what paths in flags and environment are relative to. */
  readonly cwd: string;
  /** `--config`. */
  readonly file?: string | undefined;
  readonly env: Environment;
  readonly flags?: readonly FlagSetting[];
}

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
   * The same config with the sections of these plugins checked against their own schemas, keys of the environment
   * matched to them, defaults filled in and secrets resolved. Sections of other plugins stay as they are.
   *
   * @throws FaultList
   */
  forPlugins(plugins: PluginSchemas): LoadedConfig;
}

/**
 * Finds and merges the config: flag over environment over file over defaults. References to secrets are resolved but in
 * the sections of plugins, whose secrets only the processes have that run them: see `forPlugins`.
 *
 * @throws FaultList with everything that is wrong, or PipelineError where the file cannot be read
 */
export async function loadConfig(request: ConfigRequest): Promise<LoadedConfig> {
  return assemble(request, await findConfigFile(request.cwd, request.file), new Map());
}

interface Assembly {
  readonly request: ConfigRequest;
  readonly file: ConfigFile | null;
  readonly schema: TSchema;
  readonly plugins: PluginSchemas;
  /** As written, before references are resolved. */
  readonly written: PlainObject;
  readonly origins: Map<string, Origin>;
  readonly faults: PipelineError[];
}

function assemble(request: ConfigRequest, file: ConfigFile | null, plugins: PluginSchemas): LoadedConfig {
  const schema = schemaFor(plugins);
  const assembly: Assembly = { request, file, schema, plugins, written: {}, origins: new Map(), faults: [] };
  if (file !== null) layFile(assembly, file);
  layEnvironment(assembly);
  for (const { flag, path, value } of request.flags ?? [])
    for (const part of settingsOf(value, path)) lay(assembly, part.path, part.value, { kind: 'flag', flag });
  requireBrokers(assembly);

  const resolved = resolveSecrets(assembly);
  const config = Value.Default(schema, structuredClone(resolved)) as PlainObject;
  noteDefaults(assembly, config);
  for (const { path, code, message, hint } of schemaFaults(schema, config, [], (path) => hasReference(getAt(assembly.written, path)))) {
    assembly.faults.push(new PipelineError(code, message, { place: placeOf(assembly, path), ...(hint !== undefined && { hint }) }));
  }
  const [first, ...others] = assembly.faults;
  if (first !== undefined) throw new FaultList([first, ...others]);

  resolvePathSettings(config, (path) => folderOf(assembly, path));
  const embedded = getAt(config, ['kafka', 'brokers']) === 'embedded';
  return {
    // The one decoded boundary: the value was just checked against this schema.
    config: config as unknown as HostConfig,
    file: file?.file ?? null,
    folder: file === null ? request.cwd : dirname(file.file),
    origins: assembly.origins,
    secrets: [...settingsOf(config)].flatMap(({ path, value }) =>
      typeof value === 'string' && isSecret(schemaAt(schema, path)) && !isForeign(assembly, path) ? [value] : [],
    ),
    warnings: embedded ? ['single machine, not replicated: the embedded broker keeps all records in the data folder'] : [],
    explain: (options = {}) => explain(assembly, config, options.all ?? false),
    forPlugins: (added) => assemble(request, file, new Map([...plugins, ...added])),
  };
}

function layFile(assembly: Assembly, { file, value, isCode }: ConfigFile): void {
  for (const setting of settingsOf(value)) {
    const schema = schemaAt(assembly.schema, setting.path);
    // A section whose lines are all commented out reads as null.
    if (setting.value === null && schema !== undefined && schema !== null && !Value.Check(schema, null)) continue;
    lay(assembly, setting.path, setting.value, { kind: 'file', file });
    if (!isCode && isSecret(schema) && setting.value !== '' && !hasReference(setting.value)) {
      assembly.faults.push(
        new PipelineError('PH_CONFIG_SECRET_PLAIN', `${formatPath(setting.path)} is a secret and stands in the config file`, {
          place: file,
        }),
      );
    }
  }
}

function layEnvironment(assembly: Assembly): void {
  const flags: PlainObject = structuredClone(assembly.written);
  for (const { path, value } of assembly.request.flags ?? []) setAt(flags, path, value);
  const { settings, faults } = readEnvironment(assembly.request.env, assembly.schema, flags);
  assembly.faults.push(...faults);
  for (const { variable, path, value } of settings) {
    for (const part of settingsOf(value, path)) lay(assembly, part.path, part.value, { kind: 'environment', variable });
  }
}

/** Lays one setting over what is there, and forgets the origins of what it replaces. */
function lay({ written, origins }: Assembly, path: SettingPath, value: unknown, origin: Origin): void {
  for (const old of settingsOf(getAt(written, path), path)) origins.delete(formatPath(old.path));
  for (let length = 1; length < path.length; length++) origins.delete(formatPath(path.slice(0, length)));
  setAt(written, path, value);
  origins.set(formatPath(path), origin);
}

/** A lost variable in a container must never start an empty broker: only without any config file is there a default. */
function requireBrokers(assembly: Assembly): void {
  if (getAt(assembly.written, ['kafka', 'brokers']) !== undefined) return;
  if (assembly.file === null) lay(assembly, ['kafka', 'brokers'], 'embedded', { kind: 'default' });
  else assembly.faults.push(new PipelineError('PH_CONFIG_BROKERS', 'kafka.brokers is not set', { place: assembly.file.file }));
}

function resolveSecrets(assembly: Assembly): PlainObject {
  const resolved: PlainObject = structuredClone(assembly.written);
  for (const { path, value } of settingsOf(assembly.written)) {
    if (!hasReference(value) || isForeign(assembly, path)) continue;
    try {
      const found = resolveReferences(value, {
        env: assembly.request.env,
        folder: folderOf(assembly, path),
        place: placeOf(assembly, path),
      });
      // A reference is a text; `port: ${env:PORT}` means the number.
      setAt(resolved, path, typeof found === 'string' ? readText(schemaAt(assembly.schema, path) ?? undefined, found) : found);
    } catch (error) {
      assembly.faults.push(error as PipelineError);
    }
  }
  return resolved;
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

/** The origin of a setting, or of the nearest that it lies in. */
function originOf({ origins }: Assembly, path: SettingPath): Origin | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(formatPath(path.slice(0, length)));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

function folderOf(assembly: Assembly, path: SettingPath): string {
  const origin = originOf(assembly, path);
  const given = origin?.kind === 'flag' || origin?.kind === 'environment';
  return given || assembly.file === null ? assembly.request.cwd : dirname(assembly.file.file);
}

function placeOf(assembly: Assembly, path: SettingPath): string {
  const origin = originOf(assembly, path);
  if (origin?.kind === 'file' || (origin === undefined && assembly.file !== null)) return `${assembly.file?.file}: ${formatPath(path)}`;
  return origin === undefined || origin.kind === 'default' ? formatPath(path) : `${formatOrigin(origin)}: ${formatPath(path)}`;
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
