import { errorMessage, type Log, PipelineError } from '@pipeline-host/sdk';
import type { KafkaAdmin } from '../kafka/driver.ts';
import type { ResolvedWorker } from '../plugins/topology.ts';

/** A group without offsets may read so much from the start without being told to. */
export const SMALL_TOPIC = 1_000;

/**
 * Decides once where a group without committed offsets starts, and stores it, so that the next start finds it.
 *
 * A topic that the plugin makes itself is always read from its start: skipping would be loss. A source topic of more than
 * {@link SMALL_TOPIC} records wants `start` to be stated.
 *
 * @throws PipelineError `PH_START_REQUIRED`
 */
export async function settleStartPosition(admin: KafkaAdmin, worker: ResolvedWorker, isOwnTopic: boolean, log: Log): Promise<void> {
  if (worker.consumes === null) return;
  const { topic } = worker.consumes;
  const { start } = worker.settings;
  const committed = await admin.committed(worker.group, [topic]);
  if (committed.some(({ offset }) => offset !== null)) return;
  const bounds = await admin.offsets(topic);
  const length = bounds.reduce((sum, { low, high }) => sum + high - low, 0);
  if ((start === undefined || start === 'committed') && !isOwnTopic && length > SMALL_TOPIC) {
    throw new PipelineError('PH_START_REQUIRED', `group ${worker.group} has no offsets and ${topic} holds ${length} records`, {
      place: `plugins.${worker.plugin.name}.workers.${worker.name}.start`,
    });
  }
  const offsets = await startOffsets(admin, topic, start);
  try {
    await admin.setOffsets(worker.group, topic, offsets);
  } catch (error) {
    // Another member was faster and is reading already: its position counts.
    if ((await admin.committed(worker.group, [topic])).some(({ offset }) => offset !== null)) return;
    // Without a stored position the group reads from the start: whoever asked for another one would get everything.
    if (start !== undefined && start !== 'committed' && start !== 'earliest') throw error;
    log.warn({ error }, `start position of ${worker.group} could not be stored: ${errorMessage(error)}`);
  }
}

/** Where a group without offsets begins. Without a word, or told to go on where it stands, with the earliest record. */
export async function startOffsets(
  admin: KafkaAdmin,
  topic: string,
  start: string | undefined,
): Promise<readonly { readonly partition: number; readonly offset: number }[]> {
  if (start !== undefined && start !== 'committed' && start !== 'earliest' && start !== 'latest')
    return await admin.offsetsAt(topic, Date.parse(start));
  const bounds = await admin.offsets(topic);
  return bounds.map(({ partition, low, high }) => ({ partition, offset: start === 'latest' ? high : low }));
}
