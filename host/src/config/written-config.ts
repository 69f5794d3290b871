import { dirname } from 'node:path';
import { PipelineError, type TSchema } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { type Environment, readEnvironment } from './environment.ts';
import type { ConfigFile } from './find-config.ts';
import { formatOrigin, type Origin } from './origin.ts';
import { datesAsText, isSecret, schemaAt } from './schema-nodes.ts';
import { hasReference } from './secrets.ts';
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

/** File, environment and flags laid over each other, as written: references are not resolved, nothing is filled in. */
export interface WrittenConfig {
  readonly request: ConfigRequest;
  readonly file: ConfigFile | null;
  readonly schema: TSchema;
  readonly written: PlainObject;
  /** By the path of each setting. */
  readonly origins: Map<string, Origin>;
  readonly faults: PipelineError[];
}

/** Flag over environment over file. What cannot be laid is a fault. */
export function layConfig(request: ConfigRequest, file: ConfigFile | null, schema: TSchema): WrittenConfig {
  const config: WrittenConfig = { request, file, schema, written: {}, origins: new Map(), faults: [] };
  if (file !== null) layFile(config, file);
  layEnvironment(config);
  for (const { flag, path, value } of request.flags ?? [])
    for (const part of settingsOf(value, path)) lay(config, part.path, part.value, { kind: 'flag', flag });
  requireBrokers(config);
  return config;
}

function layFile(config: WrittenConfig, { file, value: settings, isCode }: ConfigFile): void {
  for (const { path, value } of settingsOf(settings)) {
    const schema = schemaAt(config.schema, path);
    // A section whose lines are all commented out reads as null.
    if (value === null && schema !== undefined && schema !== null && !Value.Check(schema, null)) continue;
    lay(config, path, datesAsText(schema ?? undefined, value), { kind: 'file', file });
    if (!isCode && isSecret(schema) && value !== '' && !hasReference(value)) {
      config.faults.push(
        new PipelineError('PH_CONFIG_SECRET_PLAIN', `${formatPath(path)} is a secret and stands in the config file`, { place: file }),
      );
    }
  }
}

function layEnvironment(config: WrittenConfig): void {
  const existing: PlainObject = structuredClone(config.written);
  for (const { path, value } of config.request.flags ?? []) setAt(existing, path, value);
  const { settings, faults } = readEnvironment(config.request.env, config.schema, existing);
  config.faults.push(...faults);
  for (const { variable, path, value } of settings) {
    for (const part of settingsOf(value, path)) lay(config, part.path, part.value, { kind: 'environment', variable });
  }
}

/** Lays one setting over what is there, and forgets the origins of what it replaces. */
function lay(config: WrittenConfig, path: SettingPath, value: unknown, origin: Origin): void {
  const { written, origins, faults } = config;
  const around = valueAround(config, path);
  if (around !== null) {
    faults.push(
      new PipelineError('PH_CONFIG_INVALID', `${formatPath(path)} cannot be set: ${formatPath(around)} is set to a value without keys`, {
        place: `${formatOrigin(origin)}: ${formatPath(path)}`,
        hint: `take one of both out; ${formatPath(around)} is at ${placeOf(config, around)}`,
      }),
    );
    return;
  }
  const before = getAt(written, path);
  // An object sets what is in it, and one without keys nothing.
  if (isPlainObject(value) && isPlainObject(before)) return;
  for (const old of settingsOf(before, path)) origins.delete(formatPath(old.path));
  for (let length = 1; length < path.length; length++) origins.delete(formatPath(path.slice(0, length)));
  setAt(written, path, value);
  origins.set(formatPath(path), origin);
}

/** The nearest setting around a path that is no object, so that nothing can be set in it. An absent or open null is none. */
function valueAround({ written, schema }: WrittenConfig, path: SettingPath): SettingPath | null {
  for (let length = 1; length < path.length; length++) {
    const around = path.slice(0, length);
    const value = getAt(written, around);
    if (value === undefined) return null;
    if (!isPlainObject(value) && !(value === null && schemaAt(schema, around) === undefined)) return around;
  }
  return null;
}

/** A lost variable in a container must never start an empty broker: only without any config file is there a default. */
function requireBrokers(config: WrittenConfig): void {
  const kafka = getAt(config.written, ['kafka']);
  if (kafka !== undefined && !isPlainObject(kafka)) return;
  if (kafka?.['brokers'] !== undefined) return;
  if (config.file === null) lay(config, ['kafka', 'brokers'], 'embedded', { kind: 'default' });
  else config.faults.push(new PipelineError('PH_CONFIG_BROKERS', 'kafka.brokers is not set', { place: config.file.file }));
}

/** The origin of a setting, or of the nearest that it lies in. */
export function originOf({ origins }: Pick<WrittenConfig, 'origins'>, path: SettingPath): Origin | undefined {
  for (let length = path.length; length > 0; length--) {
    const origin = origins.get(formatPath(path.slice(0, length)));
    if (origin !== undefined) return origin;
  }
  return undefined;
}

/** Folder that paths in a setting are relative to. */
export function folderOf(config: WrittenConfig, path: SettingPath): string {
  const origin = originOf(config, path);
  const given = origin?.kind === 'flag' || origin?.kind === 'environment';
  return given || config.file === null ? config.request.cwd : dirname(config.file.file);
}

/** Where a setting stands, for an error; one that is missing would stand beside its neighbours. */
export function placeOf(config: WrittenConfig, path: SettingPath): string {
  const origin = originOf(config, path) ?? neighbourOrigin(config, path);
  if (origin?.kind === 'file' || (origin === undefined && config.file !== null)) return `${config.file?.file}: ${formatPath(path)}`;
  return origin === undefined || origin.kind === 'default' ? formatPath(path) : `${formatOrigin(origin)}: ${formatPath(path)}`;
}

function neighbourOrigin({ written, origins }: WrittenConfig, path: SettingPath): Origin | undefined {
  for (let length = path.length - 1; length > 0; length--) {
    const around = path.slice(0, length);
    for (const neighbour of settingsOf(getAt(written, around), around)) {
      const origin = origins.get(formatPath(neighbour.path));
      if (origin !== undefined) return origin;
    }
  }
  return undefined;
}
