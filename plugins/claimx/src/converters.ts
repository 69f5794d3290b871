import { digitsOf } from '@pipeline-host/sdk';

/** How values of API answers become values of columns. Null and absent stay null. */

/** Text, trimmed, null where nothing is left. Numbers keep the digits of their source; a boolean, list or object is its JSON. */
export function text(value: unknown): string | null {
  if (value === null || value === undefined) return null;
  const given = typeof value === 'string' ? value : (digitsOf(value) ?? JSON.stringify(value));
  // Half an emoji, of a text that was cut, is no text for a message.
  const trimmed = given.toWellFormed().trim();
  return trimmed === '' ? null : trimmed;
}

/** An id as text: a number's whole part, a boolean as 1 or 0, anything else as {@link text}. */
export function idText(value: unknown): string | null {
  if (typeof value === 'boolean') return value ? '1' : '0';
  const digits = digitsOf(value);
  return digits === null ? text(value) : wholeDigits(digits);
}

const LONGEST = { least: -(2n ** 63n), most: 2n ** 63n - 1n } as const;

/** A whole number of 64 bits, as text where a double would change it: fractions are cut, a boolean is 1 or 0, text is digits with or without a sign. */
export function integer(value: unknown): number | string | null {
  if (typeof value === 'boolean') return value ? 1 : 0;
  const digits = digitsOf(value);
  const whole = digits === null ? digitsOfText(value) : wholeDigits(digits);
  if (whole === null) return null;
  const number = BigInt(whole);
  if (number < LONGEST.least || number > LONGEST.most) return null;
  return Number.isSafeInteger(Number(number)) ? Number(number) : number.toString();
}

function digitsOfText(value: unknown): string | null {
  const trimmed = typeof value === 'string' ? value.trim() : '';
  return /^[+-]?\d+$/.test(trimmed) ? trimmed.replace(/^\+/, '') : null;
}

/** The whole part of a number's digits; null for one that no integer could hold. */
function wholeDigits(digits: string): string | null {
  if (/^-?\d+$/.test(digits)) return BigInt(digits).toString();
  const number = Math.trunc(Number(digits));
  return Number.isFinite(number) ? BigInt(number).toString() : null;
}

/** A whole number of 32 bits, null beyond. */
export function smallInteger(value: unknown): number | null {
  const number = integer(value);
  return typeof number === 'number' && (number | 0) === number ? number : null;
}

/** Booleans as they are; of texts `true`, `1` and `yes` in any case; of anything else what is not zero or empty. */
export function flag(value: unknown): boolean | null {
  if (value === null || value === undefined) return null;
  return typeof value === 'string' ? /^(true|1|yes)$/i.test(value) : isSomething(value);
}

/** Not null, false, zero or empty. Any text but the empty one counts, `false` as well. */
export function isSomething(value: unknown): boolean {
  const digits = digitsOf(value);
  if (digits !== null) return Number(digits) !== 0;
  if (typeof value === 'object' && value !== null) return Object.keys(value).length > 0;
  return Boolean(value);
}

const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?\d{1,6}))?$/i;

/** A decimal number as text: trailing zeros stay, leading ones and `+` go, a large exponent is written `E+n`. Null for what is none. */
export function decimalText(value: unknown): string | null {
  const given = digitsOf(value) ?? (typeof value === 'string' ? value.trim() : '');
  const [, sign = '', whole = '', fraction = '', exponent = '0'] = DECIMAL.exec(given) ?? [];
  if (whole + fraction === '') return null;
  const digits = (whole + fraction).replace(/^0+(?=\d)/, '');
  const scale = Number(exponent) - fraction.length;
  const adjusted = scale + digits.length - 1;
  const minus = sign === '-' ? '-' : '';
  if (scale > 0 || adjusted < -6) {
    const tail = digits.length > 1 ? `.${digits.slice(1)}` : '';
    return `${minus}${digits.slice(0, 1)}${tail}E${adjusted < 0 ? '-' : '+'}${Math.abs(adjusted)}`;
  }
  if (scale === 0) return minus + digits;
  const padded = digits.padStart(1 - scale, '0');
  return `${minus}${padded.slice(0, scale)}.${padded.slice(scale)}`;
}

/** An instant as it was written, with `+00:00` in place of `Z`. Numbers are no instants. */
export function timestampText(value: unknown): string | null {
  return typeof value === 'string' ? (text(value)?.replaceAll('Z', '+00:00') ?? null) : null;
}
