import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/**
 * `file:line:column` of the code that an import failed on, as far as V8 tells; else the file that was imported.
 *
 * @param file the imported file; the error may come from one that it imports
 */
export function importPlace(error: unknown, file: string): string {
  if (!(error instanceof Error)) return file;
  const stack = error.stack ?? '';
  const place = placeOfExcerpt(stack) ?? (error instanceof SyntaxError ? placeOfSyntaxError(file) : placeOfFrame(stack));
  return place ?? file;
}

/** Node puts `file:line`, the line and a row of carets before what it cannot parse or link. */
function placeOfExcerpt(text: string): string | null {
  const lines = text.split('\n');
  const [, where, line] = /^(file:\/\/\S+|\/.+|[A-Za-z]:\\.+):(\d+)$/.exec(lines[0]?.trimEnd() ?? '') ?? [];
  const carets = lines.slice(1).find((row) => /^\s*\^+\s*$/.test(row));
  if (where === undefined || carets === undefined) return null;
  return `${path(where)}:${line}:${carets.indexOf('^') + 1}`;
}

/** The frame that threw; those of Node and of packages that the plugin called are passed over. */
function placeOfFrame(stack: string): string | null {
  for (const frame of stack.split('\n')) {
    const [, where, line, column] = /^\s+at (?:.*\()?(file:\/\/[^()]+?):(\d+):(\d+)\)?$/.exec(frame) ?? [];
    if (where !== undefined) return `${path(where)}:${line}:${column}`;
  }
  return null;
}

/** Node tells the place of a syntax error in JavaScript only where nobody catches it: asked of `node --check`, which runs nothing. */
function placeOfSyntaxError(file: string): string | null {
  const { stderr, status } = spawnSync(process.execPath, ['--check', file], { encoding: 'utf8', timeout: 10_000, env: {} });
  return status === 1 ? placeOfExcerpt(stderr) : null;
}

function path(where: string): string {
  try {
    return where.startsWith('file:') ? fileURLToPath(where.replace(/\?.*$/, '')) : where;
  } catch {
    return where;
  }
}
