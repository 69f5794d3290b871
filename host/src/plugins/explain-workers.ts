import type { ExplainedSetting } from '../config/load.ts';
import { formatPath } from '../config/setting-path.ts';
import type { ResolvedWorker, Topology } from './topology.ts';

/** The settings of workers that the config leaves to the plugin or to the host, for `config explain --all`. */
export function explainWorkers({ workers }: Topology, explained: readonly ExplainedSetting[]): readonly ExplainedSetting[] {
  const isSet = new Set(explained.map(({ path }) => path));
  return workers.flatMap((worker) =>
    effectiveSettings(worker)
      .map(({ key, value, own }) => ({
        path: formatPath(['plugins', worker.plugin.name, 'workers', worker.name, ...key.split('.')]),
        value,
        origin: own === undefined ? 'default' : `default of plugin ${worker.plugin.name}`,
        description: undefined,
      }))
      .filter(({ path }) => !isSet.has(path)),
  );
}

interface EffectiveSetting {
  readonly key: string;
  readonly value: unknown;
  /** What the plugin says; undefined where it leaves that to the host. */
  readonly own?: unknown;
}

function effectiveSettings({ definition, group, retryTopic, settings }: ResolvedWorker): readonly EffectiveSetting[] {
  if ('query' in definition) return [];
  if ('rows' in definition) {
    const { rows, bytes, age } = settings.flush;
    return [
      { key: 'group', value: group },
      { key: 'flush.rows', value: rows, own: definition.flush.rows },
      { key: 'flush.bytes', value: bytes, own: definition.flush.bytes },
      { key: 'flush.age', value: age, own: definition.flush.age },
      { key: 'retry.topic', value: retryTopic },
    ];
  }
  return [
    { key: 'group', value: group },
    { key: 'concurrency', value: settings.concurrency, own: definition.concurrency },
    { key: 'timeout', value: settings.timeout, own: definition.timeout },
    { key: 'onRetry', value: settings.retry.mode, own: definition.onRetry },
    { key: 'retry.delays', value: settings.retry.delays, own: definition.retry.delays },
    ...[...settings.retry.byCode].map(([code, delays]) => ({
      key: `retry.byCode.${code}.delays`,
      value: delays,
      own: definition.retry.byCode?.[code]?.delays,
    })),
    { key: 'retry.releasePerSecond', value: settings.retry.release },
    { key: 'retry.topic', value: retryTopic },
    { key: 'outage.share', value: settings.outage.share },
    { key: 'outage.keys', value: settings.outage.keys },
  ];
}
