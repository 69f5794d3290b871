import { PipelineError } from '@pipeline-host/sdk';
import type { KafkaCluster, LocatedRecord } from '../kafka/driver.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';
import { HEADER, headerNumber, headerText } from '../retry/headers.ts';
import type { RetryLayout } from '../retry/layout.ts';

/** Offsets of each partition that are looked at: the oldest that wait were written before a change, if any was. */
const LOOKED_AT = 10;

/**
 * Checks that the records which wait in a retry topic were put there by the layout that it is read with now. The number of
 * its partitions alone does not tell: 30 are 6 sets of 5 lanes as well as 5 sets of 6, and a lane that is taken for
 * another one would release its records before their time, and beside live records of their keys.
 *
 * @throws PipelineError `PH_RETRY_TOPIC_SHAPE`
 */
export async function checkWaitingRecords(
  cluster: KafkaCluster,
  { id, name, group, retryTopic }: Pick<ResolvedWorker, 'id' | 'name' | 'group' | 'retryTopic'>,
  layout: RetryLayout,
): Promise<void> {
  const admin = await cluster.admin();
  const committed = new Map((await admin.committed(group, [retryTopic])).map(({ partition, offset }) => [partition, offset]));
  const waiting = (await admin.offsets(retryTopic))
    .map(({ partition, low, high }) => ({ partition, from: Math.max(low, committed.get(partition) ?? low), high }))
    .filter(({ from, high }) => from < high);
  if (waiting.length === 0) return;
  let stray: LocatedRecord | undefined;
  const range = {
    topic: retryTopic,
    partitions: waiting.map(({ partition }) => partition),
    from: new Map(waiting.map(({ partition, from }) => [partition, from])),
    to: new Map(waiting.map(({ partition, from, high }) => [partition, Math.min(high, from + LOOKED_AT)])),
  };
  await cluster.scan(range, (record) => {
    if ((headerText(record.headers, HEADER.worker) ?? name) === name && !isAtHome(record, layout)) stray ??= record;
  });
  if (stray === undefined) return;
  const { partition, offset, headers } = stray;
  const origin = headerText(headers, HEADER.originPartition);
  throw new PipelineError(
    'PH_RETRY_TOPIC_SHAPE',
    `${retryTopic} is read as ${layout.classes} sets of ${layout.lanes} lanes, but the record at offset ${offset} of its partition ${partition}, from source partition ${origin}, was put there by another division`,
    { place: `worker ${id}` },
  );
}

/** In a partition of its source's set; in the lane of replays only without a due time. What does not say where it came from is nowhere else at home. */
function isAtHome({ partition, headers }: LocatedRecord, { lanes, classes }: RetryLayout): boolean {
  const origin = headerNumber(headers, HEADER.originPartition, -1);
  if (origin < 0) return true;
  const isDelayed = headerText(headers, HEADER.dueAt) !== undefined;
  return origin % classes === Math.floor(partition / lanes) && isDelayed === partition % lanes > 0;
}
