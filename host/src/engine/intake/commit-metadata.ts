import type { Span } from './ledger.ts';

/**
 * What is settled above the committed offset, as the text that a commit carries: `ph1:<committed offset, base 36>:<runs>`.
 * The runs count offsets from the committed one on: so many open, so many settled, so many open … Each is a base-64
 * number of 5 bits a character, lowest first; the sixth says that more follow. Only ASCII, so that a limit in bytes is one
 * in characters.
 *
 * The offset stands in it since tools that move or mirror offsets may carry the text along to another one, where its runs
 * would name records that nobody has handled.
 */
const VERSION = 'ph1';
/** Kafka's `offset.metadata.max.bytes`, which counts UTF-16 units. */
const LIMIT = 4_096;
const DIGITS = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const MORE = 32;

export interface EncodedAhead {
  readonly text: string;
  /** What is settled below this offset is in the text; above it there was no room. */
  readonly reach: number;
}

/** @param ahead what is settled at or above the committed offset, in order; the first part that fits is taken */
export function encodeAhead(committed: number, ahead: Iterable<Span>): EncodedAhead {
  let text = `${VERSION}:${committed.toString(36)}:`;
  let reach = committed;
  for (const { from, to } of ahead) {
    const run = encodeNumber(from - reach) + encodeNumber(to - from);
    if (text.length + run.length > LIMIT) return { text, reach };
    text += run;
    reach = to;
  }
  return { text, reach: Number.POSITIVE_INFINITY };
}

/** What the text says to be settled at or above the committed offset, in order; null where it is not ours, of another version or damaged. */
export function decodeAhead(committed: number, text: string): readonly Span[] | null {
  const [version, base, runs, ...rest] = text.split(':');
  if (version !== VERSION || base !== committed.toString(36) || runs === undefined || rest.length > 0) return null;
  const lengths = decodeNumbers(runs);
  if (lengths === null || lengths.length % 2 !== 0) return null;
  const ahead: Span[] = [];
  let at = committed;
  for (let index = 0; index < lengths.length; index += 2) {
    const from = at + (lengths[index] as number);
    const to = from + (lengths[index + 1] as number);
    if (to === from || !Number.isSafeInteger(to)) return null;
    ahead.push({ from, to });
    at = to;
  }
  return ahead;
}

function encodeNumber(value: number): string {
  let text = '';
  let rest = value;
  while (rest >= MORE) {
    text += DIGITS[MORE + (rest % MORE)];
    rest = Math.floor(rest / MORE);
  }
  return text + DIGITS[rest];
}

function decodeNumbers(text: string): readonly number[] | null {
  const numbers: number[] = [];
  let value = 0;
  let weight = 1;
  for (const character of text) {
    const digit = DIGITS.indexOf(character);
    if (digit < 0) return null;
    value += (digit % MORE) * weight;
    weight *= MORE;
    if (digit >= MORE) continue;
    numbers.push(value);
    value = 0;
    weight = 1;
  }
  return weight === 1 ? numbers : null;
}
