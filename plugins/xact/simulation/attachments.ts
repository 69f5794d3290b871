import type { Random } from 'pipeline-host/testing';
import { CONTENT_TYPES, type FileKind } from './content.ts';

/** What the simulated world does with an attachment. */
export type Behaviour =
  | 'fine'
  | 'slow'
  | 'large'
  | 'octet-stream'
  | 'busy-once'
  | 'busy-twice'
  | 'cut-once'
  | 'busy-for-ever'
  | 'missing'
  | 'empty'
  | 'html-as-pdf'
  | 'program-as-pdf'
  | 'expired'
  | 'foreign-host'
  | 'bad-extension'
  | 'no-url';

/** How the worker must end that meets it; null where the file is stored. */
export const CAUSES: Readonly<Record<Behaviour, string | null>> = {
  fine: null,
  slow: null,
  large: null,
  'octet-stream': null,
  'busy-once': null,
  'busy-twice': null,
  'cut-once': null,
  'busy-for-ever': 'PH_HTTP_SERVER_ERROR',
  missing: 'PH_HTTP_CLIENT_ERROR',
  empty: 'PH_DOWNLOAD_EMPTY',
  'html-as-pdf': 'PH_FILE_TYPE_MISMATCH',
  'program-as-pdf': 'PH_FILE_TYPE_MISMATCH',
  expired: 'XACT_URL_EXPIRED',
  'foreign-host': 'PH_HTTP_URL_REFUSED',
  'bad-extension': 'PH_FILE_TYPE_REFUSED',
  'no-url': 'PH_HTTP_URL_REFUSED',
};

/** The attachments of each hundred that are not simply fine. Few enough that no worker takes the server for down. */
const UNUSUAL: Readonly<Record<number, Behaviour>> = {
  3: 'busy-once',
  9: 'slow',
  14: 'missing',
  18: 'octet-stream',
  22: 'expired',
  27: 'busy-twice',
  31: 'html-as-pdf',
  35: 'large',
  40: 'busy-once',
  44: 'foreign-host',
  48: 'slow',
  53: 'program-as-pdf',
  58: 'bad-extension',
  63: 'octet-stream',
  67: 'no-url',
  71: 'busy-once',
  76: 'expired',
  84: 'missing',
};
/** Once in all, so that few records wait through all their attempts. */
const ONCE: Readonly<Record<number, Behaviour>> = { 5: 'cut-once', 11: 'empty', 24: 'busy-for-ever', 61: 'busy-for-ever' };

export interface Attachment {
  /** As it stands in the event. */
  readonly url: string;
  /** Of the server; the key of what it holds. */
  readonly path: string;
  readonly behaviour: Behaviour;
  readonly kind: FileKind;
  readonly size: number;
}

/** Links are signed at one fixed time, so that the same seed gives the same bytes; they live for ten years. */
const SIGNED = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260105T142205Z&X-Amz-Expires=315360000';
const ENDED = 'X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Date=20260105T142205Z&X-Amz-Expires=3600';
const KINDS = Object.keys(CONTENT_TYPES) as [FileKind, ...FileKind[]];

/** The attachment with the given number, counted from 0. `name` overrides the file's name (without extension). */
export function planAttachment(number: number, origin: string, random: Random, name?: string): Attachment {
  const behaviour = ONCE[number] ?? UNUSUAL[number % 100] ?? 'fine';
  const kind = behaviour.endsWith('-as-pdf') ? 'pdf' : random.pick(KINDS);
  const stem =
    name ?? random.pick(['loss_report', 'photo', 'IMG%2000', 'estimate', 'Scan.of.invoice', 'notes', 'Übersicht']) + random.between(1, 999);
  const extension = behaviour === 'bad-extension' ? 'exe' : random.next() < 0.1 ? kind.toUpperCase() : kind;
  const path = `/export/${number}/${encodeURI(stem).replaceAll('%25', '%')}.${extension}`;
  const size =
    behaviour === 'large'
      ? random.between(1_000_000, 3_000_000)
      : random.next() < 0.1
        ? random.between(60_000, 150_000)
        : random.between(2_000, 30_000);
  const query = `${behaviour === 'expired' ? ENDED : SIGNED}&X-Amz-Signature=${random.text('0123456789abcdef', 64)}`;
  const host = behaviour === 'foreign-host' ? 'https://files.example.com' : origin;
  return { url: behaviour === 'no-url' ? `see attachment ${number}.pdf` : `${host}${path}?${query}`, path, behaviour, kind, size };
}
