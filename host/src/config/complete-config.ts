import type { TSchema } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { HostConfigSchema } from './host-config.ts';
import { type SchemaFault, schemaFaults } from './schema-faults.ts';
import { getAt, type PlainObject, removeAt, setAt, settingsOf } from './setting-path.ts';

/** A copy with the defaults of the schema filled in. */
export function withDefaults(schema: TSchema, value: PlainObject): PlainObject {
  const complete = Value.Default(schema, structuredClone(value)) as PlainObject;
  // TypeBox lays the keys of a list over the default of an object, and what was wrong would pass.
  for (const { path, value: list } of settingsOf(value))
    if (Array.isArray(list) && !Array.isArray(getAt(complete, path))) setAt(complete, path, list);
  return complete;
}

/** What is left of a config when the settings with faults are taken out, defaults filled in: the host's own part fits its schema. */
export function withoutFaulty(schema: TSchema, value: PlainObject, faults: readonly SchemaFault[]): PlainObject {
  const rest = structuredClone(value);
  let wrong = faults;
  do {
    for (const { path } of wrong) removeAt(rest, path);
    // With a key gone its object may lack what it needs, and goes too. A plugin that wants a setting may still lack it.
    wrong = schemaFaults(HostConfigSchema, withDefaults(schema, rest), [], () => true);
  } while (wrong.length > 0);
  return withDefaults(schema, rest);
}
