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
 * more; but the colons of a time such as `14:22:07.123` do not count, which nearly every event has.
 */
const INEXACT = /(?:"\s*:|[,[])\s*-?(?:\d+[.eE]|\d{16})/;

const keepDigits: SourceReviver = (_key, value, context) =>
  typeof value === 'number' && context.source !== undefined ? json.rawJSON(context.source) : value;

/** Parsed JSON that `JSON.stringify` gives back with the digits of the source. @throws SyntaxError */
export function parseExact(text: string): unknown {
  return INEXACT.test(text) ? JSON.parse(text, keepDigits as (key: string, value: unknown) => unknown) : JSON.parse(text);
}
