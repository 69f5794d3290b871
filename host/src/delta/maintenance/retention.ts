import type { MetaData } from '../log/actions.ts';

const DAY_MS = 24 * 3_600_000;
const UNITS: Readonly<Record<string, number>> = {
  week: 7 * DAY_MS,
  day: DAY_MS,
  hour: 3_600_000,
  minute: 60_000,
  second: 1000,
};
/** What holds where the table says nothing (PROTOCOL.md "Table Properties"). */
const DEFAULTS = {
  'delta.deletedFileRetentionDuration': 7 * DAY_MS,
  'delta.logRetentionDuration': 30 * DAY_MS,
} as const;

/** Milliseconds that a table keeps removed files, or old versions of its log. What we cannot read keeps them for ever. */
export function retentionOf(metaData: MetaData | null, property: keyof typeof DEFAULTS): number {
  const text = metaData?.configuration?.[property];
  return text === undefined ? DEFAULTS[property] : (intervalMilliseconds(text) ?? Number.POSITIVE_INFINITY);
}

/** Milliseconds of `interval 1 week` or `7 days`; null for any other text. */
export function intervalMilliseconds(text: string): number | null {
  const match = /^\s*(?:interval\s+)?(\d+)\s+(week|day|hour|minute|second)s?\s*$/i.exec(text);
  const unit = UNITS[match?.[2]?.toLowerCase() ?? ''];
  return match === null || unit === undefined ? null : Number(match[1]) * unit;
}
