import { createHash } from 'node:crypto';
import type { DeadLetterView, SimulationResults, Sum } from '@pipeline-host/sdk';
import type { PlannedEvent } from './events.ts';
import { type ExpectedRow, type ExpectedTable, expectedTables } from './expected-rows.ts';
import { CAUSES } from './media.ts';
import { contentOf } from './media-storage.ts';
import type { ClaimXState, Media } from './state.ts';

/** What was sent, and what must be there in the end. */
export class Expectations {
  readonly #state: ClaimXState;
  /** Of media links. */
  readonly #storage: string;
  #valid = 0;
  #garbage = 0;
  /** By trace id. */
  readonly #ends = new Map<string, string>();
  /** Events about files that are deleted later: one that is handled again after a crash may come too late, and fail. */
  readonly #mayFail = new Set<string>();
  readonly #media = new Map<string, Media>();
  readonly #tasks = new Set<string>();
  readonly #videos = new Set<string>();

  constructor(state: ClaimXState, storage: string) {
    this.#state = state;
    this.#storage = storage;
  }

  add({ event, media, taskAssignmentId, videoId }: PlannedEvent): void {
    if (event === null) {
      this.#garbage++;
      return;
    }
    this.#valid++;
    this.#ends.set(event.traceId, event.end);
    if (media !== undefined) this.#media.set(media.id, media);
    if (media?.behaviour === 'deleted') this.#mayFail.add(event.traceId);
    if (taskAssignmentId !== undefined) this.#tasks.add(taskAssignmentId);
    if (videoId !== undefined) this.#videos.add(videoId);
  }

  async check(results: SimulationResults): Promise<readonly Sum[]> {
    const deadLetters = await results.deadLetters();
    const deadOf = (worker: string): readonly DeadLetterView[] => deadLetters.filter((letter) => letter.worker === worker);
    const named = { media: new Set(this.#media.keys()), tasks: this.#tasks, videos: this.#videos };
    const entities = expectedTables(this.#state, named, this.#storage);
    return [
      {
        name: 'valid events sent = rows of claimx_events',
        expected: this.#valid,
        actual: (await results.rows('claimx_events', ['trace_id'])).length,
      },
      { name: 'records that are no events = dead letters of event-writer', expected: this.#garbage, actual: deadOf('event-writer').length },
      { name: 'records that are no events = dead letters of ingester', expected: this.#garbage, actual: deadOf('ingester').length },
      ...(await this.#sumsOfEvents(results, deadOf('enricher'))),
      ...(await Promise.all(entities.map((table) => sumOfTable(table, results)))),
      ...(await this.#sumsOfFiles(results, [...deadOf('downloader'), ...deadOf('uploader')])),
    ];
  }

  async #sumsOfEvents(results: SimulationResults, dead: readonly DeadLetterView[]): Promise<readonly Sum[]> {
    const log = await results.rows('claimx_event_log', ['trace_id', 'status']);
    const ends = new Map(log.map((row) => [String(row['trace_id']), String(row['status'])]));
    const fits = (end: string, actual: string | undefined, id: string): boolean =>
      actual === end || (actual === 'failed' && this.#mayFail.has(id));
    const wrong = [...this.#ends].filter(([id, end]) => !fits(end, ends.get(id), id)).map(([id]) => id);
    const failed = new Set([...this.#ends].filter(([, end]) => end === 'failed').map(([id]) => id));
    const given = new Set(dead.map(({ value }) => fieldOf(value, 'trace_id')).filter((id) => !this.#mayFail.has(id)));
    return [
      { name: 'events sent = events in claimx_event_log', expected: this.#ends.size, actual: ends.size },
      { name: 'events that ended otherwise than they must', expected: 0, actual: wrong.length, ...missing(wrong) },
      {
        name: 'events that must fail = dead letters of enricher',
        expected: failed.size,
        actual: given.size,
        ...missing([...given].filter((id) => !failed.has(id))),
      },
    ];
  }

  async #sumsOfFiles(results: SimulationResults, dead: readonly DeadLetterView[]): Promise<readonly Sum[]> {
    const inventory = await results.rows('claimx_attachments', ['media_id', 'blob_path']);
    const files = new Map((await results.files()).map((file) => [file.path, file.sha256]));
    const causes = new Map(dead.map(({ value, code }) => [fieldOf(value, 'media_id'), code]));
    const good = [...this.#media.values()].filter(({ behaviour }) => behaviour !== 'no-link' && CAUSES[behaviour] === null);
    const stored = new Set(inventory.map((row) => String(row['media_id'])));
    const wanted = new Set(inventory.map((row) => String(row['blob_path'])));
    const right = inventory.filter((row) => this.#holdsItsFile(String(row['media_id']), files.get(String(row['blob_path']))));
    const lost = [...this.#media.values()].filter(({ id, behaviour }) => (causes.get(id) ?? null) !== CAUSES[behaviour]);
    return [
      {
        name: 'files without a fault = rows of claimx_attachments',
        expected: good.length,
        actual: inventory.length,
        ...missing(good.map(({ id }) => id).filter((id) => !stored.has(id))),
      },
      {
        name: 'rows of claimx_attachments = stored files with the content that storage sent',
        expected: inventory.length,
        actual: right.length,
      },
      { name: 'stored files that nobody asked for', expected: 0, actual: [...files.keys()].filter((path) => !wanted.has(path)).length },
      { name: 'files given up for another cause than theirs', expected: 0, actual: lost.length, ...missing(lost.map(({ id }) => id)) },
    ];
  }

  #holdsItsFile(mediaId: string, sha256: string | undefined): boolean {
    const media = this.#media.get(mediaId);
    return media !== undefined && createHash('sha256').update(contentOf(media)).digest('hex') === sha256;
  }
}

/** Rows that the table has as the API holds them, field by field; any further row counts against it. */
async function sumOfTable({ name, key, rows }: ExpectedTable, results: SimulationResults): Promise<Sum> {
  const keyOf = (row: Readonly<Record<string, unknown>>): string => key.map((column) => written(row[column])).join(' ');
  const columns = Object.keys(rows[0] ?? Object.fromEntries(key.map((column) => [column, null])));
  const actual = await results.rows(name, columns);
  const expected = new Map(rows.map((row) => [keyOf(row), row]));
  const seen = new Set<string>();
  const faults: string[] = [];
  for (const row of actual) {
    const id = keyOf(row);
    const fault = seen.has(id) ? 'twice' : differenceOf(expected.get(id), row);
    seen.add(id);
    if (fault !== null) faults.push(`${id} (${fault})`);
  }
  faults.push(...[...expected.keys()].filter((id) => !seen.has(id)).map((id) => `${id} (no row)`));
  return {
    name: `what the API holds = rows of ${name}, field by field`,
    expected: expected.size,
    actual: expected.size - faults.length,
    ...listed('wrong', faults),
  };
}

/** The first column that differs, or null. */
function differenceOf(expected: ExpectedRow | undefined, row: Readonly<Record<string, unknown>>): string | null {
  if (expected === undefined) return 'unknown';
  return Object.keys(expected).find((column) => written(expected[column]) !== written(row[column])) ?? null;
}

/** A value as text: numbers by their digits, instants in one form. */
function written(value: unknown): string {
  const text = value instanceof Date ? value.toISOString() : String(value);
  return /^\d{4}-\d\d-\d\dT[\d:.]+(Z|\+00:00)$/.test(text) ? new Date(text).toISOString() : text;
}

function fieldOf(value: Uint8Array | null, field: string): string {
  const message = JSON.parse(Buffer.from(value ?? '{}').toString('utf8')) as Readonly<Record<string, unknown>>;
  return String(message[field]);
}

function missing(ids: readonly string[]): { readonly detail?: string } {
  return listed('missing', ids);
}

function listed(what: string, ids: readonly string[]): { readonly detail?: string } {
  if (ids.length === 0) return {};
  return { detail: `${what}: ${ids.slice(0, 5).join(', ')}${ids.length > 5 ? ` and ${ids.length - 5} more` : ''}` };
}
