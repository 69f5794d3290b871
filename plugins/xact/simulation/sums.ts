import { createHash } from 'node:crypto';
import type { DeadLetterView, SimulationResults, Sum } from '@pipeline-host/sdk';
import { mediaIdOf } from '../src/ids.ts';
import { bodyOf } from './attachment-server.ts';
import { type Attachment, CAUSES } from './attachments.ts';
import type { PlannedEvent } from './events.ts';

const MEDIA_IDS = { mediaNamespace: 'nsmkdvPipe', mediaIdIgnoresQuery: false } as const;

/** What was sent, and what must be there in the end. */
export class Expectations {
  #valid = 0;
  #garbage = 0;
  /** By media id. */
  readonly #attachments = new Map<string, Attachment>();

  add(event: PlannedEvent): void {
    if (event.valid) this.#valid++;
    else this.#garbage++;
    for (const attachment of event.attachments) this.#attachments.set(mediaIdOf(event.traceId, attachment.url, MEDIA_IDS), attachment);
  }

  async check(results: SimulationResults): Promise<readonly Sum[]> {
    const events = await results.rows('xact_events', ['trace_id']);
    const inventory = await results.rows('xact_attachments', ['media_id', 'blob_path']);
    const deadLetters = await results.deadLetters();
    const files = new Map((await results.files()).map((file) => [file.path, file.sha256]));

    const stored = new Set(inventory.map((row) => String(row['media_id'])));
    const dead = causesByMediaId(deadLetters);
    const good = [...this.#attachments].filter(([, { behaviour }]) => CAUSES[behaviour] === null);
    const wanted = new Set(inventory.map((row) => String(row['blob_path'])));
    const right = inventory.filter((row) => this.#holdsItsFile(String(row['media_id']), files.get(String(row['blob_path']))));
    const deadOf = (worker: string) => deadLetters.filter((letter) => letter.worker === worker).length;
    return [
      { name: 'valid events sent = rows of xact_events', expected: this.#valid, actual: events.length },
      {
        name: 'attachments sent = rows of xact_attachments + attachments among the dead letters',
        expected: this.#attachments.size,
        actual: inventory.length + dead.size,
        ...missing([...this.#attachments.keys()].filter((id) => !stored.has(id) && !dead.has(id))),
      },
      {
        name: 'attachments without a fault = rows of xact_attachments',
        expected: good.length,
        actual: inventory.length,
        ...missing(good.map(([id]) => id).filter((id) => !stored.has(id))),
      },
      {
        name: 'rows of xact_attachments = stored files with the content that the server sent',
        expected: inventory.length,
        actual: right.length,
      },
      { name: 'stored files that nobody asked for', expected: 0, actual: [...files.keys()].filter((path) => !wanted.has(path)).length },
      { name: 'records that are no events = dead letters of event-writer', expected: this.#garbage, actual: deadOf('event-writer') },
      { name: 'records that are no events = dead letters of ingester', expected: this.#garbage, actual: deadOf('ingester') },
      ...this.#sumsByCause(dead),
    ];
  }

  #holdsItsFile(mediaId: string, sha256: string | undefined): boolean {
    const attachment = this.#attachments.get(mediaId);
    return attachment !== undefined && createHash('sha256').update(bodyOf(attachment)).digest('hex') === sha256;
  }

  #sumsByCause(dead: ReadonlyMap<string, string>): Sum[] {
    const planned = countBy([...this.#attachments.values()].map(({ behaviour }) => CAUSES[behaviour]).filter((cause) => cause !== null));
    const actual = countBy(dead.values());
    return [...new Set([...planned.keys(), ...actual.keys()])].sort().map((cause) => ({
      name: `attachments given up with ${cause}`,
      expected: planned.get(cause) ?? 0,
      actual: actual.get(cause) ?? 0,
    }));
  }
}

/** The code with which each attachment was given up; a redelivered one counts once. */
function causesByMediaId(deadLetters: readonly DeadLetterView[]): ReadonlyMap<string, string> {
  const causes = new Map<string, string>();
  for (const { worker, code, value } of deadLetters) {
    if (worker !== 'downloader' && worker !== 'uploader') continue;
    const { media_id } = JSON.parse(Buffer.from(value ?? '{}').toString('utf8')) as { readonly media_id?: string };
    causes.set(media_id ?? `unknown ${causes.size}`, code);
  }
  return causes;
}

function countBy(values: Iterable<string>): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

function missing(ids: readonly string[]): { readonly detail?: string } {
  if (ids.length === 0) return {};
  return { detail: `missing: ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ` and ${ids.length - 5} more` : ''}` };
}
