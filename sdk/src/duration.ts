import { PipelineError } from './errors.ts';

/** A time span: milliseconds, or text such as `'250ms'`, `'30s'`, `'5m'`, `'2h'`, `'7d'`. */
export type Duration = number | `${number}${'ms' | 's' | 'm' | 'h' | 'd'}`;

const UNITS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;

/** The pattern of the text form, for config schemas. */
export const DURATION_PATTERN = '^\\d+(\\.\\d+)?(ms|s|m|h|d)$';

/** Milliseconds of a duration. @throws PipelineError `PH_DURATION_INVALID` */
export function milliseconds(duration: Duration | string): number {
  if (typeof duration === 'number' && Number.isFinite(duration) && duration >= 0) return duration;
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h|d)$/.exec(String(duration));
  if (match?.[1] === undefined) throw new PipelineError('PH_DURATION_INVALID', `"${duration}" is not a duration`);
  return Number(match[1]) * UNITS[match[2] as keyof typeof UNITS];
}
