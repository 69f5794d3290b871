import { type PluginDefinition, type TSchema, Type } from '@pipeline-host/sdk';
import { HostConfigSchema } from './host-config.ts';

/** Plugins that are known, by name: their sections of the config can be checked. */
export type PluginSchemas = ReadonlyMap<string, PluginDefinition>;

const pluginSection = HostConfigSchema.properties.plugins.patternProperties['^(.*)$'] as TSchema;

/** The schema of the whole config, narrowed to what these plugins really have: own settings, workers, topics, tables. */
export function schemaFor(plugins: PluginSchemas): TSchema {
  if (plugins.size === 0) return HostConfigSchema;
  const sections = Object.fromEntries([...plugins].map(([name, plugin]) => [name, narrowSection(plugin)]));
  return Type.Object(
    { ...HostConfigSchema.properties, plugins: Type.Object(sections, { default: {}, additionalProperties: pluginSection }) },
    { additionalProperties: false },
  );
}

function narrowSection(plugin: PluginDefinition): TSchema {
  const { config: _config, workers, topics, tables, ...others } = pluginSection['properties'] as Readonly<Record<string, TSchema>>;
  const named = (section: TSchema | undefined, names: readonly string[]): TSchema => {
    const below = section?.['patternProperties']['^(.*)$'] as TSchema;
    return Type.Optional(
      Type.Object(Object.fromEntries(names.map((name) => [name, Type.Optional(below)])), {
        additionalProperties: false,
        ...(section?.description !== undefined && { description: section.description }),
      }),
    );
  };
  return Type.Object(
    {
      ...others,
      config: ownSettings(plugin.config),
      workers: named(workers, Object.keys(plugin.workers)),
      topics: named(
        topics,
        plugin.topics.concat(externalTopics(plugin)).map(({ name }) => name),
      ),
      tables: named(
        tables,
        plugin.tables.map(({ name }) => name),
      ),
    },
    { additionalProperties: false, default: {} },
  );
}

/** Unknown keys are refused also where the plugin's author did not ask for it, and a config without settings needs no section. */
function ownSettings(schema: TSchema): TSchema {
  return { additionalProperties: false, default: {}, ...schema };
}

function externalTopics({ workers }: PluginDefinition): PluginDefinition['topics'] {
  return Object.values(workers).flatMap((worker) => ('consumes' in worker && worker.consumes.external ? [worker.consumes] : []));
}
