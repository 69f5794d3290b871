import { FORMATS, type PipelineError, type PluginDefinition, type TSchema } from '@pipeline-host/sdk';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { HasTransform } from '@sinclair/typebox/value';
import { fault } from './fault.ts';

/**
 * Checks the schemas of a plugin by themselves: formats are known, topics carry no Transform (it costs more than the whole
 * delivery of a record), the checker understands them, and the config is an object.
 */
export function checkSchemas({ name, config, topics, tables }: PluginDefinition): PipelineError[] {
  const faults: PipelineError[] = [];
  const places: readonly (readonly [string, TSchema])[] = [
    [`config of plugin ${name}`, config],
    ...topics.flatMap((topic) => [
      [`topic ${topic.name} of plugin ${name}`, topic.schema] as const,
      ...topic.accepts.map(({ schema }, index) => [`topic ${topic.name} of plugin ${name}, accepts[${index}]`, schema] as const),
    ]),
    ...tables.map((table) => [`table ${table.name} of plugin ${name}`, table.row] as const),
  ];
  for (const [place, schema] of places) {
    for (const [format, at] of unknownFormats(schema)) {
      const hint = `use one of ${Object.keys(FORMATS).join(', ')}, or a pattern`;
      faults.push(fault('PH_PLUGIN_FORMAT', `unknown format "${format}"${at === '' ? '' : ` at ${at}`}`, place, hint));
    }
    if (place.startsWith('topic') && HasTransform(schema, []))
      faults.push(fault('PH_PLUGIN_TRANSFORM', 'the schema holds a TypeBox Transform', place));
    const uncheckable = whyUncheckable(schema);
    if (uncheckable !== null)
      faults.push(
        fault(
          'PH_PLUGIN_SCHEMA',
          `the schema cannot be checked: ${uncheckable}`,
          place,
          'build it with Type.* and the builders of the SDK',
        ),
      );
  }
  if (config['type'] !== 'object') faults.push(fault('PH_PLUGIN_SCHEMA', 'the config schema is not an object', `config of plugin ${name}`));
  return faults;
}

function* unknownFormats(schema: unknown, at = ''): Generator<readonly [string, string]> {
  if (typeof schema !== 'object' || schema === null) return;
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'format' && typeof value === 'string' && 'type' in schema && !Object.hasOwn(FORMATS, value)) yield [value, at];
    else if (key === 'properties' && typeof value === 'object' && value !== null) {
      for (const [property, below] of Object.entries(value)) yield* unknownFormats(below, at === '' ? property : `${at}.${property}`);
    } else if (key !== 'default' && key !== 'examples' && key !== 'const') yield* unknownFormats(value, at);
  }
}

function whyUncheckable(schema: TSchema): string | null {
  try {
    TypeCompiler.Compile(schema);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
}
