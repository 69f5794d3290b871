const KEYS = 120;
const ROWS = 25;

export interface MergedRow {
  readonly id: number;
  readonly value: string;
  readonly day: string;
}

/** The rows of a block of merging-process.ts. A key keeps its day, by which its table is partitioned. */
export function mergedRows(appId: string, version: number): readonly MergedRow[] {
  const seed = [...appId].reduce((sum, character) => sum + character.charCodeAt(0), 0) + version * 31;
  return Array.from({ length: ROWS }, (_, at) => {
    const id = (seed * 17 + at * 7) % KEYS;
    return { id, value: `${appId} ${version}`, day: id % 3 === 0 ? '2026-01-01' : '2026-01-02' };
  });
}
