import { createHash } from 'node:crypto';
import type { LineFault, PublishedLine } from './lines.ts';

/** Messages in one hand-over to the producer: what may be stored though the sending broke off. */
const BATCH = 1_000;

/** The messages of checked lines in batches; faults go to `onFault`. */
export async function* inBatches(
  lines: AsyncIterable<{ readonly fault: LineFault } | PublishedLine>,
  onFault: (fault: LineFault) => void = () => {},
): AsyncGenerator<readonly PublishedLine[]> {
  let batch: PublishedLine[] = [];
  for await (const line of lines) {
    if ('fault' in line) {
      onFault(line.fault);
      continue;
    }
    batch.push(line);
    if (batch.length < BATCH) continue;
    yield batch;
    batch = [];
  }
  if (batch.length > 0) yield batch;
}

/** A message that may be larger than the topic takes. */
export interface LargeLine {
  readonly line: number;
  /** Of key and value, with what a record has around them. */
  readonly bytes: number;
}

/** What a first reading of all lines found. */
export interface CheckedLines {
  readonly good: number;
  readonly faults: readonly LineFault[];
  readonly large: readonly LargeLine[];
  /** One a batch: see {@link fingerprint}. */
  readonly fingerprints: readonly string[];
}

/** Most lines are far smaller than what any topic takes, and are not looked at again. */
const SMALL_RECORD = 64 * 1024;
/** Bytes of a record around its key and value, batch header included, rounded up. */
const RECORD_OVERHEAD = 128;

export async function checkLines(lines: Parameters<typeof inBatches>[0]): Promise<CheckedLines> {
  const faults: LineFault[] = [];
  const large: LargeLine[] = [];
  const fingerprints: string[] = [];
  let good = 0;
  for await (const batch of inBatches(lines, (fault) => faults.push(fault))) {
    good += batch.length;
    fingerprints.push(fingerprint(batch));
    for (const { line, key, value } of batch) {
      const bytes = value.length + (key?.length ?? 0) + RECORD_OVERHEAD;
      if (bytes > SMALL_RECORD) large.push({ line, bytes });
    }
  }
  return { good, faults, large, fingerprints };
}

/** Equal for equal messages on equal lines. */
export function fingerprint(batch: readonly PublishedLine[]): string {
  const hash = createHash('sha256');
  for (const { line, value } of batch) hash.update(`${line} ${value.length} `).update(value);
  return hash.digest('base64');
}
