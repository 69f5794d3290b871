import type { logCreator } from 'kafkajs';
import type { KafkaLog } from './driver.ts';

/** Identical lines within this time are counted, not repeated. */
const FOLD_MILLISECONDS = 10_000;
const FOLDED_LINES = 1_000;

/** What a rebalance, a reconnect or two hosts that make one topic say on their ordinary way; kafkajs calls most of it ERROR, once for each partition. */
const ORDINARY = [
  /rebalanc/i,
  /re-joining/i,
  /not aware of this member/i,
  /coordinator (?:is )?not/i,
  /Response (?:Heartbeat|JoinGroup|SyncGroup|LeaveGroup|FindCoordinator|GroupCoordinator|OffsetCommit|Metadata|CreateTopics)/i,
  /^Connection (?:timeout|error)/i,
  /Failed to connect/i,
  /Closed connection/i,
  /Crash: /,
  /Restarting the consumer/,
  /Limiting retries/,
  /Failed to send messages/,
  /Consumer is not aware of all assigned partitions/,
];

const KEPT = ['groupId', 'memberId', 'broker', 'topic', 'partition', 'retryCount', 'error'] as const;

interface Folded {
  until: number;
  count: number;
}

/**
 * kafkajs's log lines as ours: its errors become warnings (each real failure reaches a caller as a PipelineError), what
 * belongs to every rebalance or reconnect becomes debug, and repeats are folded into one line with a count.
 */
export function foldingLog(log: KafkaLog, now: () => number = Date.now): logCreator {
  const seen = new Map<string, Folded>();
  return () =>
    ({ namespace, level, log: entry }) => {
      const { message } = entry;
      const key = `${namespace}|${message}`;
      const time = now();
      const folded = seen.get(key);
      if (folded !== undefined && time < folded.until) {
        folded.count++;
        return;
      }
      if (seen.size >= FOLDED_LINES) seen.clear();
      seen.set(key, { until: time + FOLD_MILLISECONDS, count: 0 });
      const details: Record<string, unknown> = {
        source: `kafkajs/${namespace}`,
      };
      for (const name of KEPT) if (entry[name] !== undefined && typeof entry[name] !== 'object') details[name] = entry[name];
      if (folded !== undefined && folded.count > 0) details['repeated'] = folded.count;
      if (level > 2 || ORDINARY.some((pattern) => pattern.test(message))) log.debug(message, details);
      else log.warn(message, details);
    };
}
