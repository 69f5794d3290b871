import type { SourceMessage } from '@pipeline-host/sdk';
import { Random } from 'pipeline-host/testing';
import { type Attachment, planAttachment } from './attachments.ts';

/** A message and what must come of it. */
export interface PlannedEvent {
  readonly message: SourceMessage;
  /** False: garbage, a dead letter of each worker that reads it. */
  readonly valid: boolean;
  readonly traceId: string;
  /** Of an event with an assignment id, each once. */
  readonly attachments: readonly Attachment[];
}

/** Every so many events, by position: the rest of the numbers is in the table of attachments. */
const GARBAGE_EVERY = 250;
const DUPLICATE_EVERY = 200;
const WITH_ATTACHMENTS = 0.22;
const FIRST_EVENT = Date.parse('2026-01-05T08:00:00Z');

/** An endless stream of events that follows from the seed. `origin` is the server's, e.g. `http://127.0.0.1:8080`. */
export function* generateEvents(seed: number, origin: string): Generator<PlannedEvent> {
  const random = new Random(seed);
  let attachments = 0;
  let previous: PlannedEvent | null = null;
  for (let position = 1; ; position++) {
    if (position % GARBAGE_EVERY === 100) {
      yield garbage((position - 100) / GARBAGE_EVERY, random);
    } else if (position % DUPLICATE_EVERY === 150 && previous !== null) {
      yield previous;
    } else {
      const event = planEvent(position, random, origin, attachments);
      attachments += event.attachments.length;
      if (event.attachments.length > 0) previous = event;
      yield event;
    }
  }
}

const STATUS_ONLY = ['assignmentAccepted', 'jobStarted', 'contacted', 'inspected', 'returned', 'jobCompleted', 'notesAdded'] as const;
const WITH_FILES = ['documentsReceived', 'documentsReceived', 'estimatePackageReceived', 'firstNoticeOfLossReceived'] as const;

function planEvent(position: number, random: Random, origin: string, firstAttachment: number): PlannedEvent {
  const traceId = random.uuid();
  const time = new Date(FIRST_EVENT + position * 1_700).toISOString();
  const hasFiles = random.next() < WITH_ATTACHMENTS;
  const count = hasFiles ? random.pick([1, 1, 1, 1, 1, 1, 1, 2, 2, 3]) : 0;
  // Two files of one name in one event: they must not overwrite each other.
  const sameName = count > 1 && random.next() < 0.2 ? 'image' : undefined;
  const attachments = Array.from({ length: count }, (_, index) => planAttachment(firstAttachment + index, origin, random, sameName));
  const assigned = hasFiles || random.next() < 0.95;
  const data = {
    ...(assigned && { assignmentId: assignmentId(random) }),
    ...payload(random, time),
    ...(hasFiles && { estimateVersion: random.pick<unknown>(['1', '2', 3, null]), attachments: listed(attachments, random) }),
    ...(!assigned && { attachments: [`${origin}/export/unassigned.pdf`] }),
    ...(!hasFiles && assigned && random.next() < 0.1 && { attachments: random.pick<unknown>([null, [], ['', null, '  ']]) }),
  };
  const event = {
    type: `verisk.claims.property.xn.${random.pick(hasFiles ? WITH_FILES : STATUS_ONLY)}`,
    version: random.pick<unknown>([1, 1, 1, '2']),
    utcDateTime: random.pick([time, time.replace('Z', '+00:00'), time.replace('.000Z', 'Z')]),
    traceId,
    // Rows of the source table may hold the payload as text.
    data: random.next() < 0.1 ? JSON.stringify(data) : data,
  };
  return { message: { topic: 'events.raw', key: traceId, value: JSON.stringify(event) }, valid: true, traceId, attachments };
}

/** The URLs as senders list them: with blanks and nulls, one URL twice. */
function listed(attachments: readonly Attachment[], random: Random): readonly unknown[] {
  const urls: unknown[] = attachments.map((attachment) => attachment.url);
  if (random.next() < 0.1) urls.push('', null);
  if (random.next() < 0.05) urls.push(urls[0]);
  return urls;
}

const NUMBERS = JSON as typeof JSON & { rawJSON(text: string): unknown };
const LETTERS = 'ABCDEFGHJKLMNPQRSTUVWXYZ0123456789';

/** Mostly text, now and then a number, also one that a double cannot hold. */
function assignmentId(random: Random): unknown {
  const kind = random.next();
  if (kind < 0.03) return random.between(1_000_000, 9_999_999);
  if (kind < 0.04) return NUMBERS.rawJSON(`90${random.text('123456789', 16)}`);
  return `04${random.text(LETTERS, 5)}`;
}

function payload(random: Random, time: string) {
  const name = `${random.pick(['Rosa', 'Amir', 'Jürgen', 'Mei', 'Tomás', 'Olga'])} ${random.pick(['Ibarra', 'Okafor', 'Smith', 'Nowak', 'Ng', 'Dupont'])}`;
  return {
    originalAssignmentId: `04${random.text(LETTERS, 5)}`,
    description: random.pick([
      'Documents received from field adjuster',
      'Status changed',
      'Estimate returned for review',
      'Ölschaden, Küche – Foto folgt',
    ]),
    xnAddress: 'SOME.CARRIER.XN',
    carrierId: random.next() < 0.1 ? random.between(1_000_000, 9_999_999) : random.text('0123456789', 7),
    dateTime: time.slice(0, 19),
    note: random.next() < 0.3 ? null : random.text('abcdefghij klmnop qrstuvwxyz', random.between(150, 560)),
    author: name,
    senderReviewerName: null,
    carrierReviewerEmail: 'claims@example.test',
    adm: {
      coverageLoss: {
        claimNumber: `CLM-${random.between(10_000, 99_999)}`,
        causeOfLoss: random.pick(['WATER', 'FIRE', 'HAIL', 'WIND']),
        deductible: random.between(50, 900) + 0.5,
      },
    },
    contact: {
      type: 'Insured',
      name,
      contactMethods: {
        phone: { type: 'Mobile', number: random.text('0123456789', 10), extension: null },
        email: { address: `${random.text('abcdefghij', 8)}@example.test` },
      },
    },
    propertyAddress: {
      street: `${random.between(1, 9_999)} Elm Street`,
      city: random.pick(['Austin', 'Tulsa', 'Fargo', 'Reno']),
      postal: random.text('0123456789', 5),
    },
  };
}

/** Records that are no events, one kind after the other. */
function garbage(number: number, random: Random): PlannedEvent {
  const traceId = random.uuid();
  const event = { type: 'verisk.claims.property.xn.jobStarted', version: 1, utcDateTime: '2026-01-05T09:00:00Z', traceId, data: {} };
  const kinds: readonly [string | Uint8Array, ...(string | Uint8Array)[]] = [
    `{"type":"verisk.claims.property.xn.jobStarted","traceId":"${traceId}`,
    JSON.stringify({ ...event, traceId: '   ' }),
    Buffer.from(JSON.stringify({ ...event, note: 'caf\xe9' }), 'latin1'),
    JSON.stringify({ ...event, data: 'a text that is not JSON' }),
    JSON.stringify({ ...event, utcDateTime: 'yesterday' }),
    JSON.stringify([event]),
    '\0\0\0\0',
    JSON.stringify({ ...event, data: 17 }),
    JSON.stringify({ ...event, type: null }),
    `${'['.repeat(5_000)}${']'.repeat(5_000)}`,
  ];
  return {
    message: { topic: 'events.raw', key: traceId, value: kinds[number % kinds.length] ?? kinds[0] },
    valid: false,
    traceId,
    attachments: [],
  };
}
