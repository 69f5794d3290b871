import { didYouMean } from './did-you-mean.ts';
import { list, type SchemaFault } from './schema-faults.ts';
import { formatPath, getAt, isPlainObject, type PlainObject, type SettingPath } from './setting-path.ts';

/** The cluster of `kafka.brokers`. */
export const DEFAULT_CLUSTER = 'default';

/** What a schema cannot say of clusters: their names are unique, and a plugin uses only those that are there. */
export function clusterFaults(config: PlainObject): SchemaFault[] {
  const clusters = namesIn(config, ['kafka', 'clusters']);
  const known = [DEFAULT_CLUSTER, ...clusters.filter((name) => name !== DEFAULT_CLUSTER)];
  const faults: SchemaFault[] = clusters
    .filter((name) => name === DEFAULT_CLUSTER)
    .map((name) => ({
      path: ['kafka', 'clusters', name],
      code: 'PH_CONFIG_INVALID',
      message: `kafka.clusters.${name} would be a second cluster of that name: "${name}" is the one of kafka.brokers`,
      hint: 'give it another name, or write its settings under kafka itself',
    }));
  for (const path of clusterSettings(config)) {
    const cluster = getAt(config, path);
    if (typeof cluster !== 'string' || known.includes(cluster)) continue;
    faults.push({
      path,
      code: 'PH_CLUSTER_UNKNOWN',
      message: `${formatPath(path)}: no cluster is called "${cluster}"`,
      hint: didYouMean(cluster, known, `define it under kafka.clusters, or use one of ${list(known)}`),
    });
  }
  return faults;
}

/** Where plugins name a cluster. */
function clusterSettings(config: PlainObject): readonly SettingPath[] {
  return namesIn(config, ['plugins']).flatMap((plugin) => [
    ['plugins', plugin, 'cluster'],
    ...namesIn(config, ['plugins', plugin, 'topics']).map((topic) => ['plugins', plugin, 'topics', topic, 'cluster']),
  ]);
}

function namesIn(config: PlainObject, path: SettingPath): readonly string[] {
  const section = getAt(config, path);
  return isPlainObject(section) ? Object.keys(section) : [];
}
