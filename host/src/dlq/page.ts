import { PipelineError } from '@pipeline-host/sdk';
import { type Static, Type } from '@sinclair/typebox';
import { Value } from '@sinclair/typebox/value';
import type { LocatedRecord } from '../kafka/driver.ts';
import { type DeadLetter, describeDeadLetter } from './dead-letter.ts';
import { type ClusterAccess, type DeadLetterQueue, isThere } from './queues.ts';

/** Offsets of each partition that are read at a time. */
const WINDOW = 100;
/** Dead letters that one page looks at: a filter that fits few gives short pages, not long waits. */
const MOST_LOOKED_AT = 5_000;
/** Of each value so much is kept for an excerpt. */
const KEPT_BYTES = 66_000;

/** Where a list goes on: for each partition the offset that it has come down to. What came later is above and stays out. */
const Cursor = Type.Record(Type.String(), Type.Record(Type.String(), Type.Integer({ minimum: 0 })));
type Cursor = Static<typeof Cursor>;

/** A dead letter in a list, with the beginning of its value. */
export interface ListedLetter {
  readonly letter: DeadLetter;
  /** Whole where it has up to {@link KEPT_BYTES}. */
  readonly start: Buffer | null;
}

export interface Page {
  readonly letters: readonly ListedLetter[];
  /** Null where the list is at its end. A page may be short, or empty, and still have one. */
  readonly cursor: string | null;
}

export interface PageRequest {
  readonly limit: number;
  readonly cursor: string | undefined;
  /** Epoch milliseconds: what was written before is not looked at. */
  readonly from: number | undefined;
  readonly fits: (letter: DeadLetter) => boolean;
}

/** One partition, read from its end down. */
interface Tail {
  readonly queue: DeadLetterQueue;
  readonly partition: number;
  readonly low: number;
  /** What is below this is not read yet. */
  unread: number;
  /** Read and not looked at, newest first. */
  readonly letters: ListedLetter[];
}

/**
 * A page of the dead letters of some queues, newest first by the time they were written.
 *
 * @throws PipelineError `PH_ADMIN_CURSOR_INVALID`
 */
export async function readPage(queues: readonly DeadLetterQueue[], clusters: ClusterAccess, request: PageRequest): Promise<Page> {
  const start = request.cursor === undefined ? null : decodeCursor(request.cursor);
  const tails = (
    await Promise.all(queues.map((queue) => openTails(queue, clusters, start?.[queue.name] ?? (start === null ? null : {}), request.from)))
  ).flat();
  const letters: ListedLetter[] = [];
  for (let lookedAt = 0; letters.length < request.limit && lookedAt < MOST_LOOKED_AT; lookedAt++) {
    await fill(tails, clusters);
    const next = newest(tails)?.letters.shift();
    if (next === undefined) return { letters, cursor: null };
    if (request.fits(next.letter)) letters.push(next);
  }
  return { letters, cursor: encodeCursor(tails) };
}

async function openTails(
  queue: DeadLetterQueue,
  clusters: ClusterAccess,
  start: Cursor[string] | null,
  from: number | undefined,
): Promise<Tail[]> {
  const admin = await (await clusters.get(queue.cluster)).admin();
  // No host of that plugin has run yet.
  if (!(await isThere(admin, queue.topic))) return [];
  const since = from === undefined ? [] : await admin.offsetsAt(queue.topic, from);
  return (await admin.offsets(queue.topic)).map(({ partition, low, high }) => ({
    queue,
    partition,
    low: Math.max(low, since.find((one) => one.partition === partition)?.offset ?? low),
    // A partition that the cursor does not name came later.
    unread: start === null ? high : Math.min(high, start[partition] ?? 0),
    letters: [],
  }));
}

/** Reads on until every partition has its next dead letter at hand, or none any more. */
async function fill(tails: readonly Tail[], clusters: ClusterAccess): Promise<void> {
  const isShort = ({ letters, unread, low }: Tail): boolean => letters.length === 0 && unread > low;
  for (let short = tails.filter(isShort); short.length > 0; short = short.filter(isShort)) {
    await Promise.all([...Map.groupBy(short, ({ queue }) => queue)].map(([queue, group]) => readDown(queue, group, clusters)));
  }
}

async function readDown({ name, cluster, topic }: DeadLetterQueue, tails: readonly Tail[], clusters: ClusterAccess): Promise<void> {
  const byPartition = new Map(tails.map((tail) => [tail.partition, tail]));
  const from = new Map(tails.map(({ partition, unread, low }) => [partition, Math.max(low, unread - WINDOW)]));
  const to = new Map(tails.map(({ partition, unread }) => [partition, unread]));
  const range = { topic, partitions: [...byPartition.keys()], from, to };
  await (await clusters.get(cluster)).scan(range, (record) => {
    byPartition.get(record.partition)?.letters.unshift({ letter: describeDeadLetter(name, record), start: startOf(record) });
  });
  for (const tail of tails) tail.unread = from.get(tail.partition) ?? tail.low;
}

/** A copy: a part of the fetched bytes would keep all of them in memory. */
function startOf({ value }: LocatedRecord): Buffer | null {
  return value === null ? null : Buffer.from(value.subarray(0, KEPT_BYTES));
}

function newest(tails: readonly Tail[]): Tail | undefined {
  const time = ({ letters }: Tail): number => letters[0]?.letter.storedAt ?? Number.NEGATIVE_INFINITY;
  return tails.reduce<Tail | undefined>((best, tail) => (best === undefined || time(tail) > time(best) ? tail : best), undefined);
}

function encodeCursor(tails: readonly Tail[]): string {
  const cursor: Record<string, Record<string, number>> = {};
  for (const { queue, partition, letters, unread } of tails) {
    cursor[queue.name] ??= {};
    Object.assign(cursor[queue.name] ?? {}, { [partition]: letters[0] === undefined ? unread : letters[0].letter.offset + 1 });
  }
  return Buffer.from(JSON.stringify(cursor)).toString('base64url');
}

function decodeCursor(text: string): Cursor {
  let cursor: unknown;
  try {
    cursor = JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    cursor = null;
  }
  if (Value.Check(Cursor, cursor)) return cursor;
  throw new PipelineError('PH_ADMIN_CURSOR_INVALID', 'the cursor is none that a list gave');
}
