import type { PluginDefinition } from '@pipeline-host/sdk';
import { SECRET } from '@pipeline-host/sdk';
import { schemaFor } from './plugin-schema.ts';

/** The JSON Schema of the config file for editors: draft 07, with the settings of the given plugins in it. */
export function configJsonSchema(plugins: readonly PluginDefinition[]): Readonly<Record<string, unknown>> {
  // JSON leaves the symbols of TypeBox out, which are all that is not JSON Schema; secrets are the host's own word.
  const schema = JSON.parse(
    JSON.stringify(schemaFor(new Map(plugins.map((plugin) => [plugin.name, plugin]))), (key, value: unknown) =>
      key === SECRET ? undefined : value,
    ),
  ) as {
    readonly properties: Readonly<Record<string, unknown>>;
    readonly required?: readonly string[];
  };
  const { required: _filledInByDefaults, ...rest } = schema;
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    title: 'pipeline-host config',
    ...optionalWhereDefaulted(rest),
    properties: { $schema: { type: 'string' }, ...(optionalWhereDefaulted(schema) as typeof schema).properties },
  };
}

/** What has a default need not be written. */
function optionalWhereDefaulted(node: unknown): Record<string, unknown> {
  return walk(node) as Record<string, unknown>;
}

function walk(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(walk);
  if (typeof node !== 'object' || node === null) return node;
  const walked = Object.fromEntries(Object.entries(node).map(([key, value]) => [key, key === 'default' ? value : walk(value)]));
  const { properties, required } = walked as { properties?: Record<string, { default?: unknown }>; required?: readonly string[] };
  if (properties === undefined || !Array.isArray(required)) return walked;
  const needed = required.filter((key) => properties[key]?.default === undefined);
  const { required: _, ...others } = walked;
  return needed.length === 0 ? others : { ...others, required: needed };
}
