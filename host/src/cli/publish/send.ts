import { PipelineError } from '@pipeline-host/sdk';
import type { KafkaProducer } from '../../kafka/driver.ts';
import { counted } from '../counted.ts';
import { asPipelineError } from '../print-failure.ts';
import { fingerprint } from './batches.ts';
import type { PublishedLine } from './lines.ts';

/** How far a sending came. */
export interface Sending {
  /** Messages that the broker acknowledged. */
  readonly sent: number;
  /** The line of the last of them; null without any. */
  readonly upToLine: number | null;
  /** Messages after it that were given to the broker and not acknowledged: they may be stored or not. */
  readonly unsure: number;
  readonly end:
    | { readonly kind: 'complete' }
    | { readonly kind: 'failed'; readonly error: PipelineError }
    | { readonly kind: 'stopped'; readonly exitCode: number };
}

export interface SendOptions {
  readonly topic: string;
  /** Of the batches as they were checked. */
  readonly fingerprints: readonly string[];
  /** Asked before each batch: the exit code of the process once it is to end. */
  readonly stopped: () => number | null;
}

/** Sends batch by batch, each acknowledged before the next. Only what was checked is sent: a file may change meanwhile. Never rejects. */
export async function sendBatches(
  producer: KafkaProducer,
  batches: AsyncIterable<readonly PublishedLine[]>,
  { topic, fingerprints, stopped }: SendOptions,
): Promise<Sending> {
  let sent = 0;
  let upToLine: number | null = null;
  let unsure = 0;
  let index = 0;
  try {
    for await (const batch of batches) {
      const exitCode = stopped();
      if (exitCode !== null) return { sent, upToLine, unsure, end: { kind: 'stopped', exitCode } };
      if (fingerprint(batch) !== fingerprints[index++]) throw changed(batch[0]?.line);
      unsure = batch.length;
      await producer.sendAll(batch.map(({ key, value }) => ({ topic, key, value })));
      unsure = 0;
      sent += batch.length;
      upToLine = batch.at(-1)?.line ?? upToLine;
    }
    if (index < fingerprints.length) throw changed(upToLine ?? undefined);
  } catch (error) {
    return { sent, upToLine, unsure, end: { kind: 'failed', error: asPipelineError(error) } };
  }
  return { sent, upToLine, unsure, end: { kind: 'complete' } };
}

function changed(line: number | undefined): PipelineError {
  return new PipelineError('PH_PUBLISH_CHANGED', 'the file is not what was checked: it changed meanwhile', { place: `line ${line ?? 1}` });
}

/** What whoever repeats must know: sending all again would store twice what is acknowledged. */
export function brokenOff({ sent, upToLine, unsure }: Sending, checked: number, source: string, fromLine: number): PipelineError {
  const acknowledged = `${sent.toLocaleString('en-US')} of ${counted(checked, 'message')} acknowledged`;
  const upTo = upToLine === null ? '' : `, up to line ${upToLine}`;
  const after = upToLine === null ? '' : ' after it';
  const rest = unsure === 0 ? `nothing${after} was sent` : `up to ${unsure.toLocaleString('en-US')}${after} may have been stored too`;
  return new PipelineError('PH_PUBLISH_BROKEN_OFF', `${acknowledged}${upTo}; ${rest}`, {
    place: source,
    hint: `go on with --from-line ${upToLine === null ? fromLine : upToLine + 1}`,
  });
}
