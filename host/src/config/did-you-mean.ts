import { closest, distance } from 'fastest-levenshtein';

/** The known name that was probably meant, or null where none is near: a third of the letters may differ, at least one; or their order. */
export function nearest(name: string, known: Iterable<string>): string | null {
  const names = [...known];
  if (names.length === 0) return null;
  const plain = normalizeKey(name);
  const same =
    names.find((candidate) => normalizeKey(candidate) === plain) ?? names.find((candidate) => lettersOf(candidate) === lettersOf(name));
  if (same !== undefined) return same;
  const best = closest(
    name.toLowerCase(),
    names.map((candidate) => candidate.toLowerCase()),
  );
  const found = names.find((candidate) => candidate.toLowerCase() === best) ?? null;
  return found !== null && distance(name.toLowerCase(), best) <= Math.max(1, Math.floor(found.length / 3)) ? found : null;
}

function lettersOf(name: string): string {
  return [...normalizeKey(name)].sort().join('');
}

/** `did you mean "enricher"?`, or the fallback where nothing is near. */
export function didYouMean(name: string, known: Iterable<string>, fallback: string): string {
  const found = nearest(name, known);
  return found === null ? fallback : `did you mean "${found}"?`;
}

/** How keys are compared where they come from the environment: case, `-`, `_` and `.` do not count. */
export function normalizeKey(key: string): string {
  return key.toLowerCase().replaceAll(/[-_.]/g, '');
}
