import { defineTopic, type PollerDefinition } from '@pipeline-host/sdk';
import { createMessageCodec } from '../engine/messages/message-codec.ts';
import type { LazyStage, WorkerUnderTest } from './lazy-stage.ts';
import { recordKey, recordValue } from './record-value.ts';

/** What a poller sends for a row. */
export interface PolledMessage {
  readonly key: string | null;
  /** As its readers get it. */
  readonly message: unknown;
  /** What makes the row the same row when it is read again. */
  readonly identity: string;
}

/** A poller without a database. */
export interface TestedPoller extends WorkerUnderTest {
  /**
   * A row on its way into the topic: read and checked as the poller's `row` says, mapped, checked against the topic. Null where
   * the row is left out.
   *
   * @throws PermanentError for a row or a message that does not fit
   */
  map(row: unknown): Promise<PolledMessage | null>;
}

export function testedPoller(poller: PollerDefinition, lazy: LazyStage): TestedPoller {
  return {
    ...lazy.plugin.shown(),
    async map(row) {
      await lazy.open(); // a plugin that the host would refuse is refused here
      return mapRow(poller, row);
    },
  };
}

function mapRow(poller: PollerDefinition, row: unknown): PolledMessage | null {
  const rows = defineTopic('rows', poller.row, { key: () => null });
  const read = createMessageCodec(rows).decode(recordValue(rows, row));
  const mapped = poller.map(read);
  if (mapped === null) return null;
  const codec = createMessageCodec(poller.produces);
  const message = codec.decode(codec.encode(mapped));
  return { key: recordKey(poller.produces, () => message), message, identity: poller.identity(read) };
}
