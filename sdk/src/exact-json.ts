/** `JSON` as of ES2026: numbers with the digits of their source. */
interface RawNumber {
  readonly rawJSON: string;
}
const json = JSON as typeof JSON & {
  rawJSON(text: string): RawNumber;
  isRawJSON(value: unknown): value is RawNumber;
};
type SourceReviver = (key: string, value: unknown, context: { readonly source?: string }) => unknown;

/**
 * Numbers that a double may not give back: fractions, exponents, sixteen digits and more. Inside a string it costs time, no
 * more; but the colons of a time such as `14:22:07.123` do not count, which many messages have.
 */
const INEXACT = /(?:"\s*:|[,[]|^)\s*-?(?:\d+[.eE]|\d{16})/;

const keepDigits: SourceReviver = (_key, value, { source }) =>
  typeof value === 'number' && source !== undefined && String(value) !== source ? json.rawJSON(source) : value;

/**
 * Parses JSON of others whose digits count: ids of twenty digits, amounts such as `12.50`. A number that a double would give back
 * otherwise is kept aside with its source, which {@link digitsOf} tells and `JSON.stringify` writes; the others are numbers.
 *
 * @throws SyntaxError
 */
export function parseExact(text: string): unknown {
  return INEXACT.test(text) ? JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown) : JSON.parse(text);
}

/** The digits of a number as they stood in the source that {@link parseExact} read; null for anything else. */
export function digitsOf(value: unknown): string | null {
  if (typeof value === 'number') return String(value);
  return json.isRawJSON(value) ? value.rawJSON : null;
}
