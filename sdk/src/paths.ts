import { createHash } from 'node:crypto';

/** Bytes of UTF-8 that a file name may have on every file system and object store that we know. */
export const SEGMENT_MAX_BYTES = 255;

/** An extension longer than this is taken for a part of the name. */
const EXTENSION_MAX_BYTES = 64;

/**
 * One segment of a path, made safe: Unicode NFC; `/`, `\` and control characters become `_`; leading and trailing spaces
 * and trailing dots are cut; an empty one or one of dots alone becomes `_`. Over `maxBytes` the stem is cut at a
 * character border and gets `~` and the first 8 hex digits of the SHA-256 of the whole name; the extension stays.
 * A clean segment comes back as it was, and the function is idempotent.
 */
export function sanitizeSegment(segment: string, maxBytes: number = SEGMENT_MAX_BYTES): string {
  const safe = segment
    .toWellFormed()
    .normalize('NFC')
    .replace(/[/\\\p{Cc}]/gu, '_')
    .replace(/^ +|[ .]+$/g, '');
  if (safe === '') return '_';
  return Buffer.byteLength(safe) <= maxBytes ? safe : shorten(safe, maxBytes);
}

function shorten(name: string, maxBytes: number): string {
  const dot = name.lastIndexOf('.');
  const extension = dot > 0 && Buffer.byteLength(name.slice(dot)) <= EXTENSION_MAX_BYTES ? name.slice(dot) : '';
  const mark = `~${createHash('sha256').update(name).digest('hex').slice(0, 8)}`;
  const stem = name.slice(0, name.length - extension.length);
  return cutAtCharacter(stem, maxBytes - mark.length - Buffer.byteLength(extension)) + mark + extension;
}

function cutAtCharacter(text: string, maxBytes: number): string {
  let bytes = 0;
  let end = 0;
  for (const character of text) {
    bytes += Buffer.byteLength(character);
    if (bytes > maxBytes) break;
    end += character.length;
  }
  return text.slice(0, end);
}
