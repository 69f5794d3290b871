import type { PluginDefinition } from '@pipeline-host/sdk';
import type { LoadedConfig } from '../config/load.ts';
import { checkDefinition } from './check-definition.ts';
import { checkSchemas } from './check-schemas.ts';
import { throwFaults } from './fault.ts';
import type { PluginLoad } from './load-plugins.ts';
import { SDK_VERSION } from './sdk-version.ts';

/**
 * Plugins that are there already, as a program or a test has imported them: checked as loaded ones are, but for the manifest
 * that they have none of.
 *
 * @param root folder that stands for their packages
 * @throws FaultList with the faults of all of them and of the config
 */
export function adoptPlugins(definitions: readonly PluginDefinition[], config: LoadedConfig, root: string): PluginLoad {
  throwFaults(
    definitions.flatMap((definition) => {
      const faults = checkDefinition(definition, definition.name);
      return faults.length > 0 ? faults : checkSchemas(definition);
    }),
  );
  const checked = config.forPlugins(new Map(definitions.map((definition) => [definition.name, definition])));
  return {
    config: checked,
    plugins: definitions.map((definition) => {
      const { name } = definition;
      const section = checked.config.plugins[name];
      return {
        name,
        definition,
        manifest: { plugin: name, sdk: SDK_VERSION },
        packageName: name,
        version: '0.0.0',
        root,
        prefix: section?.prefix ?? name,
        config: section?.config ?? {},
      };
    }),
  };
}
