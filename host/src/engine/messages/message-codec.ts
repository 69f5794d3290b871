import { isUtf8 } from 'node:buffer';
import { errorMessage, PermanentError, type TopicDefinition } from '@pipeline-host/sdk';
import type { TSchema } from '@sinclair/typebox';
import { type TypeCheck, TypeCompiler } from '@sinclair/typebox/compiler';
import type { KafkaRecord } from '../../kafka/driver.ts';
import { compileSkimmer } from './message-skim.ts';
import { compileReader, DigitsNeeded, parseKeepingDigits, type Reader, readingsThatChanged, releaseDigits } from './reading.ts';

/** Bytes to checked messages and back, for one topic. Compiled once, without state. */
export interface MessageCodec {
  /** @throws PermanentError `PH_MESSAGE_UNREADABLE` (not a message at all) or `PH_MESSAGE_INVALID` (does not fit the schema) */
  decode(value: Buffer | null): unknown;
  /**
   * Whether {@link checkedJson} would give a message of JSON as it came, and that is one line whose numbers are all whole. Finds
   * out without making the message, and may say no where it could say yes.
   */
  isPlain(value: Buffer | null): boolean;
  /**
   * A message of JSON, checked as {@link decode} does, as the JSON that it was read as: the record's own bytes, unless reading
   * changed a text in it or it was upgraded. @throws as decode
   */
  checkedJson(value: Buffer | null): Buffer;
  /** @throws PermanentError `PH_OUTPUT_INVALID` */
  encode(message: unknown): Buffer;
}

/** Deeper nesting is refused: it breaks readers further down (SQL engines, stringify) that recurse. */
export const MAX_DEPTH = 1_000;

interface Shape {
  readonly read: Reader | null;
  readonly check: TypeCheck<TSchema>;
}

/** An older shape, and how it becomes the present one. */
interface Accepted {
  readonly shape: Shape;
  readonly upgrade: (message: unknown) => unknown;
}

interface Decoded {
  readonly message: unknown;
  /** What it was upgraded from. */
  readonly from: Accepted | null;
}

const compileShape = (schema: TSchema): Shape => ({ read: compileReader(schema), check: TypeCompiler.Compile(schema) });

/** The codec of a topic: JSON, bytes, or the author's own; validated both ways, older shapes upgraded. */
export function createMessageCodec(topic: TopicDefinition): MessageCodec {
  const present = compileShape(topic.schema);
  const accepted = topic.accepts.map(
    (old): Accepted => ({
      shape: compileShape(old.schema),
      upgrade: (message: unknown) => old.upgrade(message as never),
    }),
  );
  const codec = topic.codec;
  const skim = codec === 'json' ? compileSkimmer(topic.schema) : null;

  const parse = (bytes: Buffer): unknown => {
    if (codec === 'json') return parseJson(bytes, topic.name);
    if (codec === 'bytes') return bytes;
    try {
      return codec.decode(bytes);
    } catch (error) {
      throw new PermanentError('PH_MESSAGE_UNREADABLE', `codec ${codec.name}: ${errorMessage(error)}`, {
        place: `topic ${topic.name}`,
        cause: error,
      });
    }
  };

  const upgradeOld = (bytes: Buffer): Decoded | null => {
    for (const from of accepted) {
      const old = read(from.shape, parse(bytes), () => bytes.toString('utf8'));
      if (!from.shape.check.Check(old)) continue;
      let upgraded: unknown;
      try {
        upgraded = from.upgrade(old);
      } catch {
        continue;
      }
      const message = read(present, upgraded, () => JSON.stringify(upgraded));
      if (present.check.Check(message)) return { message, from };
    }
    return null;
  };

  const decode = (value: Buffer | null): Decoded => {
    if (value === null) throw new PermanentError('PH_MESSAGE_UNREADABLE', 'the record has no value', { place: `topic ${topic.name}` });
    const message = read(present, parse(value), () => value.toString('utf8'));
    if (present.check.Check(message)) return { message, from: null };
    const upgraded = upgradeOld(value);
    if (upgraded !== null) return upgraded;
    throw new PermanentError('PH_MESSAGE_INVALID', describeFault(present.check, message), { place: `topic ${topic.name}` });
  };

  /** The JSON of a message that was not taken as it came, its numbers with the digits of the source where they passed through. */
  const jsonOf = ({ message, from }: Decoded, source: string): string => {
    const plain = JSON.stringify(message);
    if (!mayLoseDigits(source)) return plain;
    try {
      const kept = parseKeepingDigits(source);
      const again = from === null ? kept : from.upgrade(from.shape.read?.(kept) ?? kept);
      const exact = JSON.stringify(present.read?.(again) ?? again);
      return JSON.stringify(JSON.parse(exact)) === plain ? exact : plain;
    } catch {
      return plain; // an upgrade that calculates with numbers takes them as numbers
    }
  };

  return {
    decode: (value) => decode(value).message,
    isPlain(value) {
      const skimmed = value === null || skim === null ? null : skim(value);
      if (skimmed === null) return false;
      const before = readingsThatChanged();
      try {
        return present.check.Check(present.read === null ? skimmed : present.read(skimmed)) && readingsThatChanged() === before;
      } catch (error) {
        if (error instanceof DigitsNeeded) return false;
        throw error;
      }
    },
    checkedJson(value) {
      const before = readingsThatChanged();
      const decoded = decode(value);
      if (value !== null && decoded.from === null && readingsThatChanged() === before) return value;
      return Buffer.from(jsonOf(decoded, value?.toString('utf8') ?? ''), 'utf8');
    },
    encode(message) {
      if (!present.check.Check(message)) {
        throw new PermanentError('PH_OUTPUT_INVALID', describeFault(present.check, message), { place: `topic ${topic.name}` });
      }
      if (codec === 'json') return Buffer.from(JSON.stringify(message), 'utf8');
      const bytes = codec === 'bytes' ? (message as Uint8Array) : codec.encode(message);
      return typeof bytes === 'string' ? Buffer.from(bytes, 'utf8') : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    },
  };
}

/** What a codec takes of a record. @throws PermanentError `PH_BATCH_UNREADABLE` where the record stands for a batch that is none */
export function readableValue({ value, unreadable }: KafkaRecord): Buffer | null {
  if (unreadable !== undefined) throw new PermanentError('PH_BATCH_UNREADABLE', unreadable.reason);
  return value;
}

/** @param source the JSON text of the value, asked for where digits must be kept */
function read(shape: Shape, value: unknown, source: () => string): unknown {
  if (shape.read === null) return value;
  try {
    return shape.read(value);
  } catch (error) {
    if (!(error instanceof DigitsNeeded)) throw error;
    return releaseDigits(shape.read(parseKeepingDigits(source())));
  }
}

/** Numbers that JSON.stringify may write otherwise: fractions, exponents, sixteen digits and more. Inside a string it costs time, no more. */
function mayLoseDigits(source: string): boolean {
  return /(?:"\s*:|[,[])\s*-?(?:\d+[.eE]|\d{16})/.test(source);
}

function parseJson(bytes: Buffer, topic: string): unknown {
  if (!isUtf8(bytes)) throw new PermanentError('PH_MESSAGE_UNREADABLE', 'the bytes are not UTF-8', { place: `topic ${topic}` });
  // A document of n bytes cannot nest deeper than n / 2: most messages are not looked at.
  if (bytes.length > 2 * MAX_DEPTH && opensMoreThan(bytes, MAX_DEPTH) && nestingExceeds(bytes, MAX_DEPTH)) {
    throw new PermanentError('PH_MESSAGE_UNREADABLE', `nested more than ${MAX_DEPTH} levels deep`, { place: `topic ${topic}` });
  }
  const text = bytes.toString('utf8');
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new PermanentError('PH_MESSAGE_UNREADABLE', `not JSON: ${positionOf(error)}`, { place: `topic ${topic}` });
  }
  if (mayHoldHalfCharacters(text) && !isWellFormed(value)) {
    throw new PermanentError('PH_MESSAGE_UNREADABLE', 'a text holds half of a character (a lone surrogate)', { place: `topic ${topic}` });
  }
  return value;
}

/** Half characters come only from escapes: few messages have any that begin so. Strings are searched faster than buffers. */
function mayHoldHalfCharacters(text: string): boolean {
  return text.includes('\\ud') || text.includes('\\uD');
}

/** Whether every text in the value can be written as UTF-8 again. */
function isWellFormed(value: unknown): boolean {
  if (typeof value === 'string') return value.isWellFormed();
  if (typeof value !== 'object' || value === null) return true;
  return Object.entries(value).every(([name, item]) => name.isWellFormed() && isWellFormed(item));
}

/** V8's message without the excerpt of the text, which may hold secrets. */
function positionOf(error: unknown): string {
  const message = errorMessage(error);
  if (message.includes('end of JSON')) return 'the text ends too early';
  return /at position \d+/.exec(message)?.[0] ?? 'an unexpected character';
}

const QUOTE = 0x22;
const BACKSLASH = 0x5c;
const OPENING = [0x5b, 0x7b] as const;

/** Whether there are more opening brackets than the limit, those inside strings included: a cheap bound by native search. */
function opensMoreThan(bytes: Buffer, limit: number): boolean {
  let count = 0;
  for (const bracket of OPENING) {
    for (let index = bytes.indexOf(bracket); index !== -1; index = bytes.indexOf(bracket, index + 1)) if (++count > limit) return true;
  }
  return false;
}

/** Whether lists and objects nest deeper than the limit. */
function nestingExceeds(bytes: Buffer, limit: number): boolean {
  let depth = 0;
  for (let index = 0; index < bytes.length; index++) {
    const byte = bytes[index];
    if (byte === QUOTE) index = endOfString(bytes, index);
    else if (byte === 0x5b || byte === 0x7b) {
      if (++depth > limit) return true;
    } else if (byte === 0x5d || byte === 0x7d) depth--;
  }
  return false;
}

/** The index of the quote that closes the string which opens at `start`, found by native search. */
function endOfString(bytes: Buffer, start: number): number {
  let end = bytes.indexOf(QUOTE, start + 1);
  while (end !== -1) {
    let escapes = 0;
    while (bytes[end - 1 - escapes] === BACKSLASH) escapes++;
    if (escapes % 2 === 0) return end;
    end = bytes.indexOf(QUOTE, end + 1);
  }
  return bytes.length;
}

/** Which field does not fit, and why; never its value. */
function describeFault(check: TypeCheck<TSchema>, message: unknown): string {
  const fault = check.Errors(message).First();
  if (fault === undefined) return 'does not fit the schema';
  return `${fault.path === '' ? 'the message' : `field ${fault.path}`}: ${fault.message}`;
}
