/** Attachment URLs are read as text: a parser would refuse some and rewrite others, and each must get its task. */

/** A URL without query and fragment. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '');
}

/** The last segment of the path, not decoded, without `;parameters`. Empty where there is none. */
export function lastSegment(url: string): string {
  const path = withoutQuery(url).replace(/^[a-z][a-z0-9+.-]*:\/\/[^/]*/i, '');
  return path.slice(path.lastIndexOf('/') + 1).replace(/;.*$/s, '');
}

/** The text after the last dot, or null where there is no dot or nothing after it. */
export function extensionOf(name: string): string | null {
  const dot = name.lastIndexOf('.');
  return dot === -1 || dot === name.length - 1 ? null : name.slice(dot + 1);
}

/** The name that says what the file is: that of the path, or, where it has no extension, the query's `filename`, `file` or `name`. */
export function typedName(url: string): string {
  const name = lastSegment(url);
  if (extensionOf(name) !== null) return name;
  const query = new URLSearchParams(/\?([^#]*)/s.exec(url)?.[1] ?? '');
  const named = ['filename', 'file', 'name']
    .map((parameter) => query.get(parameter))
    .find((value) => value !== null && extensionOf(value) !== null);
  return named ?? name;
}
