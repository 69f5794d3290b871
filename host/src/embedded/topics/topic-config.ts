import type { CompactionLimits } from '../log/compaction-plan.ts';
import type { LogLimits } from '../log/partition-log.ts';

/** What the topics of a broker inherit where they say nothing themselves. */
export interface TopicDefaults {
  readonly maxMessageBytes: number;
  readonly segmentBytes: number;
}

export type TopicConfig = Readonly<Record<string, string>>;

const WEEK_MS = 604_800_000;

/** Every setting of a topic with its default. Those that mean nothing to a single node are kept and shown, as any tool expects. */
export function defaultTopicConfig(defaults: TopicDefaults): TopicConfig {
  return {
    'cleanup.policy': 'delete',
    'compression.type': 'producer',
    'delete.retention.ms': '86400000',
    'file.delete.delay.ms': '60000',
    'flush.messages': '9223372036854775807',
    'flush.ms': '9223372036854775807',
    'index.interval.bytes': '4096',
    'max.compaction.lag.ms': '9223372036854775807',
    'max.message.bytes': String(defaults.maxMessageBytes),
    'message.format.version': '3.0-IV1',
    'message.timestamp.after.max.ms': '9223372036854775807',
    'message.timestamp.before.max.ms': '9223372036854775807',
    'message.timestamp.difference.max.ms': '9223372036854775807',
    'message.timestamp.type': 'CreateTime',
    'min.cleanable.dirty.ratio': '0.5',
    'min.compaction.lag.ms': '0',
    'min.insync.replicas': '1',
    preallocate: 'false',
    'retention.bytes': '-1',
    'retention.ms': String(WEEK_MS),
    'segment.bytes': String(defaults.segmentBytes),
    'segment.index.bytes': '10485760',
    'segment.jitter.ms': '0',
    'segment.ms': String(WEEK_MS),
    'unclean.leader.election.enable': 'false',
  };
}

/** The settings that this broker acts on, with the least value that makes sense. */
const ACTED_ON: Readonly<Record<string, number>> = {
  'retention.ms': -1,
  'retention.bytes': -1,
  'segment.bytes': 14,
  'max.message.bytes': 0,
  'segment.ms': 1,
  'delete.retention.ms': 0,
  'min.compaction.lag.ms': 0,
  'max.compaction.lag.ms': 1,
};

const POLICIES: ReadonlySet<string> = new Set(['delete', 'compact']);

/** What may remove records of a topic: its limits of time and size, later records of the same key, or both. */
export function cleanupPolicy(config: TopicConfig): { readonly deletes: boolean; readonly compacts: boolean } {
  const policies = listOf(config['cleanup.policy'] ?? 'delete');
  return { deletes: policies.includes('delete'), compacts: policies.includes('compact') };
}

/** What is wrong with a topic's own settings, or undefined. */
export function findConfigFault(config: TopicConfig, defaults: TopicDefaults): string | undefined {
  const known = defaultTopicConfig(defaults);
  for (const [name, value] of Object.entries(config)) {
    if (!Object.hasOwn(known, name)) return `Unknown topic config name: ${name}`;
    const least = ACTED_ON[name];
    if (least === undefined) continue;
    if (!/^-?\d{1,19}$/.test(value) || Number(value) < least)
      return `Invalid value ${value} for configuration ${name}: an integer of at least ${least} is needed`;
  }
  const { 'cleanup.policy': policy, 'min.cleanable.dirty.ratio': ratio } = { ...known, ...config };
  if (!listOf(policy).every((name) => POLICIES.has(name)))
    return `Invalid value ${policy} for configuration cleanup.policy: delete, compact or both, with a comma between them`;
  if (!/^(0(\.\d+)?|1(\.0+)?)$/.test(ratio ?? ''))
    return `Invalid value ${ratio} for configuration min.cleanable.dirty.ratio: a number from 0 to 1 is needed`;
  return undefined;
}

/** The limits that follow from a topic's settings and the broker's defaults. */
export function limitsOf(config: TopicConfig, defaults: TopicDefaults): LogLimits {
  const merged = { ...defaultTopicConfig(defaults), ...config };
  const { deletes, compacts } = cleanupPolicy(merged);
  return {
    segmentBytes: Number(merged['segment.bytes']),
    maxMessageBytes: Number(merged['max.message.bytes']),
    retentionMs: deletes ? Number(merged['retention.ms']) : -1,
    retentionBytes: deletes ? Number(merged['retention.bytes']) : -1,
    ...(compacts && { compaction: compactionLimits(merged) }),
  };
}

function compactionLimits(merged: TopicConfig): CompactionLimits {
  return {
    deleteRetentionMs: Number(merged['delete.retention.ms']),
    minCleanableRatio: Number(merged['min.cleanable.dirty.ratio']),
    minLagMs: Number(merged['min.compaction.lag.ms']),
    maxLagMs: Number(merged['max.compaction.lag.ms']),
    segmentMs: Number(merged['segment.ms']),
  };
}

function listOf(value: string | undefined): readonly string[] {
  return (value ?? '').split(',').map((name) => name.trim());
}
