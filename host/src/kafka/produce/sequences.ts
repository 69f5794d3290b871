/** Who sends, to the broker. */
export interface ProducerIdentity {
  readonly producerId: string;
  readonly producerEpoch: number;
}

/** The place of a batch in the sequence of its partition: by this the broker recognises a batch that it has stored already. */
export interface Ticket extends ProducerIdentity {
  readonly firstSequence: number;
}

interface Sequence {
  readonly identity: ProducerIdentity;
  next: number;
}

const SEQUENCE_MODULUS = 0x8000_0000;

const nameOf = (topic: string, partition: number): string => `${topic} ${partition}`;

/**
 * The sequence of each partition. A partition has an identity of its own, so that one which must begin anew leaves the
 * batches of the others recognisable.
 */
export class Sequences {
  readonly #identify: () => Promise<ProducerIdentity>;
  readonly #partitions = new Map<string, Sequence>();
  /** Partitions that must not go on under the identity they have. */
  readonly #ended = new Set<string>();
  #newest: ProducerIdentity;
  #identifying: Promise<void> | undefined;

  /** `identify` asks the cluster for an identity that nobody had before. */
  constructor(first: ProducerIdentity, identify: () => Promise<ProducerIdentity>) {
    this.#newest = first;
    this.#identify = identify;
  }

  /** The next place of the partition. Only one batch of a partition may be without an outcome. */
  async take(topic: string, partition: number, records: number): Promise<Ticket> {
    const name = nameOf(topic, partition);
    let sequence = this.#partitions.get(name);
    if (sequence === undefined || this.#ended.has(name)) {
      if (sequence?.identity === this.#newest) await this.#renew();
      sequence = { identity: this.#newest, next: 0 };
      this.#partitions.set(name, sequence);
      this.#ended.delete(name);
    }
    const firstSequence = sequence.next;
    sequence.next = (firstSequence + records) % SEQUENCE_MODULUS;
    return { ...sequence.identity, firstSequence };
  }

  /** The batch was not stored, for certain: the next one takes its place. */
  giveBack(topic: string, partition: number, { firstSequence }: Ticket): void {
    const sequence = this.#partitions.get(nameOf(topic, partition));
    if (sequence !== undefined) sequence.next = firstSequence;
  }

  /** Nobody knows what comes next in the broker's eyes: the partition begins anew, under an identity that it never had. */
  end(topic: string, partition: number): void {
    this.#ended.add(nameOf(topic, partition));
  }

  #renew(): Promise<void> {
    this.#identifying ??= this.#identify()
      .then((identity) => {
        this.#newest = identity;
      })
      .finally(() => {
        this.#identifying = undefined;
      });
    return this.#identifying;
  }
}
