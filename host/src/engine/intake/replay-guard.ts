import { errorMessage, type Log } from '@pipeline-host/sdk';
import type { KafkaCluster, KafkaRecord, TopicPartition } from '../../kafka/driver.ts';
import { HEADER, headerNumber, headerText } from '../../retry/headers.ts';

/**
 * Tells whether a replay stands in its lane a second time. Whoever replays looks before it sends, but a process that was
 * taken for dead, or a request that the broker took after everyone had given it up, may still put the record there once
 * more: only the reader of the lane sees all of them in order, and the first one counts.
 */
export class ReplayGuard {
  readonly #scan: KafkaCluster['scan'];
  readonly #log: Log;
  /** By place; undefined while it is looked up. */
  readonly #answers = new Map<string, boolean | undefined>();

  constructor(scan: KafkaCluster['scan'], log: Log) {
    this.#scan = scan;
    this.#log = log;
  }

  /** `unknown` while the lane before the record is read: ask again. Most replays stand right where their lane ended, and need no look. */
  verdict({ topic, partition }: TopicPartition, record: KafkaRecord): 'first' | 'repeated' | 'unknown' {
    const replay = replayOf(record);
    const from = headerNumber(record.headers, HEADER.replayFrom, record.offset);
    if (replay === null || from >= record.offset) return 'first';
    const place = `${topic}/${partition}/${record.offset}`;
    const answer = this.#answers.get(place);
    if (answer !== undefined) {
      this.#answers.delete(place);
      return answer ? 'repeated' : 'first';
    }
    if (!this.#answers.has(place)) {
      this.#answers.set(place, undefined);
      void this.#look({ topic, partition }, replay, from, record.offset).then(
        (found) => this.#answers.set(place, found),
        (error: unknown) => {
          this.#answers.delete(place);
          this.#log.warn(
            { error, topic, partition },
            `the lane before a replay could not be read, it is tried again: ${errorMessage(error)}`,
          );
        },
      );
    }
    return 'unknown';
  }

  async #look({ topic, partition }: TopicPartition, replay: string, from: number, before: number): Promise<boolean> {
    let found = false;
    const range = { topic, partitions: [partition], from: new Map([[partition, from]]), to: new Map([[partition, before]]) };
    await this.#scan(range, (record) => {
      found ||= replayOf(record) === replay;
    });
    return found;
  }
}

/** Which dead letter this replays, and which of its replays it is; null where it is none. */
function replayOf({ headers }: KafkaRecord): string | null {
  const id = headerText(headers, HEADER.replay);
  return id === undefined ? null : `${id} ${headerText(headers, HEADER.replayCount)}`;
}
