import { PipelineError } from '@pipeline-host/sdk';
import type { BrokerSettings } from '../options.ts';
import { isTopicName, type TopicStore } from './topic-store.ts';

/**
 * Makes the topics of the options that are not there yet: what the portal of a service does for its clients. Throws
 * PH_BROKER_TOPICS, before anything is made, where one does not fit the profile or is there with other partitions.
 */
export function provisionTopics(store: TopicStore, { topics, profile, dataDir }: BrokerSettings): void {
  const wanted = Object.entries(topics);
  const missing = wanted.filter(([name]) => !store.get(name));
  const refuse = (what: string, hint: string): never => {
    throw new PipelineError('PH_BROKER_TOPICS', what, { place: dataDir, hint });
  };
  const total = store.all().length + missing.length;
  if (missing.length > 0 && total > profile.maxTopics) {
    refuse(
      `${total} topics, but profile ${profile.name} has room for ${profile.maxTopics}`,
      'let the workers of a plugin share topics, leave some out, or use profile kafka4',
    );
  }
  for (const [name, partitions] of wanted) {
    if (!isTopicName(name))
      refuse(`"${name.slice(0, 300)}" is no topic name`, 'use up to 249 letters, digits, dots, underscores and hyphens');
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > profile.maxPartitionsOfTopic) {
      refuse(
        `topic ${name} with ${partitions} partitions, but profile ${profile.name} allows 1 to ${profile.maxPartitionsOfTopic}`,
        `give it 1 to ${profile.maxPartitionsOfTopic} partitions`,
      );
    }
    const present = store.get(name)?.partitions.length;
    if (present !== undefined && present !== partitions) {
      refuse(`topic ${name} has ${present} partitions, not ${partitions}`, `ask for ${present}, or use another data folder`);
    }
  }
  for (const [name, partitions] of missing) store.create(name, partitions, {});
}
