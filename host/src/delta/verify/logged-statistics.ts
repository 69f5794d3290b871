/** The statistics of a file as the log holds them; numbers are text with all their digits. */
export interface LoggedStatistics {
  readonly numRecords?: unknown;
  readonly tightBounds?: unknown;
  readonly minValues?: unknown;
  readonly maxValues?: unknown;
  readonly nullCount?: unknown;
}

const STRING_OR_NUMBER = /"(?:[^"\\]|\\.)*"|-?\d[\d.eE+-]*/g;

/** Null for text that is no JSON object. */
export function parseStatistics(text: string): LoggedStatistics | null {
  try {
    const parsed: unknown = JSON.parse(text.replace(STRING_OR_NUMBER, (token) => (token.startsWith('"') ? token : `"${token}"`)));
    return typeof parsed === 'object' && parsed !== null ? parsed : null;
  } catch {
    return null;
  }
}

/** The text at the path of a column; null where there is none. */
export function statisticAt(values: unknown, names: readonly string[]): string | null {
  let at = values;
  for (const name of names) {
    if (typeof at !== 'object' || at === null) return null;
    at = Object.entries(at).find(([key]) => key === name)?.[1];
  }
  return typeof at === 'string' ? at : null;
}
