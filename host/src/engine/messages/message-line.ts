import { setImmediate } from 'node:timers/promises';

/** Parts a line from the JSON that it stands for. Valid JSON holds no raw control character. */
export const ORIGINAL_MARK = 0x01;

/** Joined in two milliseconds or so. */
const BYTES_IN_A_TURN = 4 * 1024 * 1024;

const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;
const SPACE = 0x20;

/** Numbers that SQL does not give back digit for digit: fractions and exponents. Inside a string it costs time, no more. */
const INEXACT = /(?:"\s*:|[,[])\s*-?\d+[.eE]/;

/**
 * A message of JSON as one line, without a line feed. Where it holds numbers whose digits SQL would not keep, the fields that
 * are read as text are texts in the line, and the JSON as it was follows behind {@link ORIGINAL_MARK}.
 *
 * @param texts paths of the fields that are read as text
 */
export function messageLine(json: Buffer, texts: readonly string[]): Buffer {
  const flat = json.includes(LINE_FEED) || json.includes(CARRIAGE_RETURN) ? flattened(json) : json;
  return INEXACT.test(flat.toString('latin1')) ? withDigits(flat, texts) : flat;
}

/** The bytes of the lines with their line feeds. */
export function joinedLength(lines: readonly Buffer[]): number {
  return lines.reduce((bytes, line) => bytes + line.length + 1, 0);
}

/** Writes the lines one after the other, each with its line feed; the event loop has its turn between. */
export async function joinLines(lines: readonly Buffer[], into: Buffer): Promise<void> {
  let at = 0;
  let turnAt = BYTES_IN_A_TURN;
  for (const line of lines) {
    if (at >= turnAt) {
      turnAt = at + BYTES_IN_A_TURN;
      await setImmediate();
    }
    into.set(line, at);
    at += line.length + 1;
    into[at - 1] = LINE_FEED;
  }
}

/** Between the tokens of JSON a line break is as good as a space, and inside them there is none. */
function flattened(json: Buffer): Buffer {
  return Buffer.from(json.map((byte) => (byte === LINE_FEED || byte === CARRIAGE_RETURN ? SPACE : byte)));
}

/** `JSON` as of ES2026: numbers with the digits of their source. */
const exact = JSON as unknown as {
  parse(text: string, reviver: (key: string, value: unknown, context: { readonly source?: string }) => unknown): unknown;
  rawJSON(text: string): object;
  isRawJSON(value: unknown): boolean;
};

function withDigits(json: Buffer, texts: readonly string[]): Buffer {
  const message = exact.parse(json.toString('utf8'), (_key, value, { source }) =>
    typeof value === 'number' && source !== undefined ? exact.rawJSON(source) : value,
  );
  for (const path of texts) makeText(message, path.split('.'));
  return Buffer.concat([Buffer.from(JSON.stringify(message), 'utf8'), Buffer.from([ORIGINAL_MARK]), json]);
}

function makeText(value: unknown, [name, ...below]: readonly string[]): void {
  if (!isObject(value) || name === undefined || !Object.hasOwn(value, name)) return;
  const child = value[name];
  if (below.length > 0) makeText(child, below);
  else if (typeof child === 'object' && child !== null) value[name] = JSON.stringify(child);
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !exact.isRawJSON(value);
}
