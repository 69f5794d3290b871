import { PipelineError } from '@pipeline-host/sdk';

/**
 * A record is for a partition that its topic does not have. kafkajs leaves such a record out of the request without a
 * word and reports success. Its fields tell kafkajs to ask for new metadata and try again: the topic may have grown.
 */
export class UnknownPartition extends PipelineError {
  readonly type = 'UNKNOWN_TOPIC_OR_PARTITION';
  readonly retriable = true;

  constructor(topic: string, partition: number, partitions: number) {
    super('PH_KAFKA_UNKNOWN_PARTITION', `topic '${topic}' has no partition ${partition}, only ${partitions}`, {
      place: `topic '${topic}'`,
    });
  }
}

/** Whether the partition is one of the topic's. */
export function isKnown(partition: number, metadata: readonly { readonly partitionId: number }[]): boolean {
  return metadata[partition]?.partitionId === partition || metadata.some(({ partitionId }) => partitionId === partition);
}
