import { type Static, type TSchema, Type } from '@sinclair/typebox';
import { type Branded, brand } from './brand.ts';
import type { PollerDefinition } from './poller.ts';
import type { TableDefinition } from './table.ts';
import type { TableWriterDefinition } from './table-writer.ts';
import type { TopicDefinition } from './topic.ts';
import type { ServiceFactories, WorkerDefinition } from './worker.ts';

/** Any unit that `--worker` can name. */
export type AnyWorker = WorkerDefinition | TableWriterDefinition | PollerDefinition;

export interface PluginOptions<Config extends TSchema> {
  /** Lower case, digits and dashes; also the default prefix of topics and groups. */
  readonly name: string;
  /** An object schema. Keys, types, docs, secrets and redaction come from it. */
  readonly config?: Config;
  readonly topics?: readonly TopicDefinition[];
  readonly tables?: readonly TableDefinition[];
  /** Made once a process, closed by the host. */
  readonly services?: ServiceFactories<Static<Config>>;
  readonly workers: Readonly<Record<string, AnyWorker>>;
}

/** A plugin as the host sees it: the default export of its package. */
export interface PluginDefinition extends Branded<'plugin'> {
  readonly name: string;
  readonly config: TSchema;
  readonly topics: readonly TopicDefinition[];
  readonly tables: readonly TableDefinition[];
  readonly services: ServiceFactories<never>;
  readonly workers: Readonly<Record<string, AnyWorker>>;
}

/** A domain plugin: data and pure functions. Everything that can lose a message lives in the host. */
export function definePlugin<Config extends TSchema = TSchema>(options: PluginOptions<Config>): PluginDefinition {
  // Plugins run untyped: what is missing or wrong is for the host to say, not to crash on.
  const given: Partial<PluginOptions<Config>> = options ?? {};
  return brand(
    'plugin',
    {
      name: given.name as string,
      config: given.config ?? Type.Object({}, { additionalProperties: false }),
      topics: given.topics ?? [],
      tables: given.tables ?? [],
      services: (given.services ?? {}) as ServiceFactories<never>,
      workers: given.workers as PluginDefinition['workers'],
    },
    given,
  );
}

/** `package.json#pipelineHost`: read before any code of the plugin is imported. */
export interface PluginManifest {
  /** The plugin's name; must be that of the definition. */
  readonly plugin: string;
  /** The SDK versions it works with, as a semver range. */
  readonly sdk: string;
  /** The export of the package whose default export is the plugin. Default `'.'`. */
  readonly entry?: string;
  /** A module whose default export is the plugin's simulation, relative to the package. */
  readonly simulation?: string;
}
