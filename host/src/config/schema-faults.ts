import { type TSchema, Type } from '@pipeline-host/sdk';
import { Value, type ValueError, ValueErrorType } from '@sinclair/typebox/value';
import { didYouMean } from './did-you-mean.ts';
import { alternatives, describeSchema, isSecret, namedKeys } from './schema-nodes.ts';
import { formatPath, fromPointer, isPlainObject, type PlainObject, type SettingPath } from './setting-path.ts';

/** One setting that does not fit its schema. */
export interface SchemaFault {
  readonly path: SettingPath;
  readonly code: 'PH_CONFIG_UNKNOWN_KEY' | 'PH_CONFIG_INVALID' | 'PH_CLUSTER_UNKNOWN';
  readonly message: string;
  readonly hint: string | undefined;
}

/**
 * All faults of a value at once, one a setting.
 *
 * @param hidden whether the value at a path must not be shown
 */
export function schemaFaults(schema: TSchema, value: unknown, path: SettingPath, hidden: (path: SettingPath) => boolean): SchemaFault[] {
  const faults = new Map<string, SchemaFault>();
  for (const error of Value.Errors(schema, value)) {
    for (const fault of explain(error, path, hidden)) {
      const at = formatPath(fault.path);
      if (!faults.has(at)) faults.set(at, fault);
    }
  }
  return [...faults.values()];
}

function explain(error: ValueError, base: SettingPath, hidden: (path: SettingPath) => boolean): SchemaFault[] {
  const path = [...base, ...fromPointer(error.path)];
  const name = formatPath(path);
  switch (error.type) {
    case ValueErrorType.ObjectAdditionalProperties: {
      const key = path.at(-1) ?? '';
      return [
        {
          path,
          code: 'PH_CONFIG_UNKNOWN_KEY',
          message: `${name} is not a setting`,
          hint: unknownKeyHint(key, namedKeys(error.schema), path.slice(0, -1)),
        },
      ];
    }
    case ValueErrorType.ObjectRequiredProperty:
      return [{ path, code: 'PH_CONFIG_INVALID', message: `${name} is missing`, hint: `set it to ${describeSchema(error.schema)}` }];
    case ValueErrorType.Union: {
      // Of the alternatives, the one that is an object like the value can say what is wrong inside.
      const objects = (error.schema['anyOf'] as readonly TSchema[]).filter(({ type }) => type === 'object');
      if (isPlainObject(error.value) && objects.length > 0) return explainObject(objects, error.value, path, hidden);
      break;
    }
    default:
  }
  const shown = isSecret(error.schema) || hidden(path) ? '' : `, not ${excerpt(error.value)}`;
  return [{ path, code: 'PH_CONFIG_INVALID', message: `${name} must be ${describeSchema(error.schema)}${shown}`, hint: undefined }];
}

/** Several kinds of object are told apart by a key with fixed values, such as `mechanism`. */
function explainObject(
  kinds: readonly TSchema[],
  value: PlainObject,
  path: SettingPath,
  hidden: (path: SettingPath) => boolean,
): SchemaFault[] {
  const key = kinds.length === 1 ? undefined : namedKeys(kinds[0] as TSchema).find((name) => kinds.every((kind) => isFixed(kind, name)));
  if (key === undefined) return schemaFaults(kinds[0] as TSchema, value, path, hidden);
  const kind = kinds.find((candidate) => Value.Check(candidate['properties'][key], value[key]));
  if (kind !== undefined) return schemaFaults(kind, value, path, hidden);
  const all = Type.Object({ [key]: Type.Union(kinds.map(({ properties }) => properties[key] as TSchema)) });
  return schemaFaults(all, value, path, hidden);
}

function isFixed({ properties }: TSchema, key: string): boolean {
  const schema = properties[key] as TSchema | undefined;
  return schema !== undefined && [...alternatives(schema)].every((alternative) => alternative.const !== undefined);
}

function unknownKeyHint(key: string, known: readonly string[], parent: SettingPath): string {
  const where = parent.length === 0 ? '' : ` of ${formatPath(parent)}`;
  return didYouMean(
    key,
    known,
    known.length === 0 ? 'remove it: nothing can be set here' : `remove it; the keys${where} are ${list(known)}`,
  );
}

/** Names for a message, cut where there are many. */
export function list(names: readonly string[], limit = 12): string {
  return names.length <= limit ? names.join(', ') : `${names.slice(0, limit).join(', ')} … (${names.length})`;
}

function excerpt(value: unknown): string {
  if (isPlainObject(value)) return 'an object';
  if (Array.isArray(value)) return 'a list';
  const text = JSON.stringify(value) ?? 'nothing';
  return text.length <= 60 ? text : `${text.slice(0, 57)}…`;
}
