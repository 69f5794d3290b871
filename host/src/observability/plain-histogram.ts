/** Upper bounds for durations in seconds, from a no-op handler to a five-minute one. */
export const SECONDS = [0.0001, 0.0005, 0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300] as const;
/** Upper bounds for sizes in bytes, 1 KiB to 4 GiB. */
export const BYTES = [1, 4, 16, 64, 256, 1024, 4096, 16_384, 65_536, 262_144, 1_048_576, 4_194_304].map((kib) => kib * 1024);

/** Counts of one label combination. prom-client's own histogram hashes the labels at every call, which a record a microsecond cannot pay. */
export class PlainHistogram {
  readonly bounds: readonly number[];
  /** One a bound and one beyond the last; not cumulative. */
  readonly #counts: Float64Array;
  #sum = 0;

  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.#counts = new Float64Array(bounds.length + 1);
  }

  observe(value: number): void {
    if (!Number.isFinite(value)) return;
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] as number)) index += 1;
    this.#counts[index] = (this.#counts[index] as number) + 1;
    this.#sum += value;
  }

  /** As Prometheus wants it: cumulative buckets, sum and count. */
  samples(name: string, labels: Readonly<Record<string, string>>): readonly Sample[] {
    const samples: Sample[] = [];
    let seen = 0;
    for (const [index, bound] of [...this.bounds, Number.POSITIVE_INFINITY].entries()) {
      seen += this.#counts[index] as number;
      samples.push({
        metricName: `${name}_bucket`,
        labels: {
          ...labels,
          le: bound === Number.POSITIVE_INFINITY ? '+Inf' : bound,
        },
        value: seen,
      });
    }
    samples.push({ metricName: `${name}_sum`, labels, value: this.#sum }, { metricName: `${name}_count`, labels, value: seen });
    return samples;
  }
}

export interface Sample {
  readonly metricName?: string;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly value: number;
}
