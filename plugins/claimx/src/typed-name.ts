/** The text after the last dot, or null where there is no dot or nothing after it. */
function extensionOf(name: string): string | null {
  const dot = name.lastIndexOf('.');
  return dot === -1 || dot === name.length - 1 ? null : name.slice(dot + 1);
}

/**
 * The name that says what a file is: the last segment of the link's path, else the query's `filename`, `file` or `name`,
 * else the name that the API gives; the first that has an extension.
 */
export function typedName(link: string, fileName: string | null): string {
  const [, path = '', query = ''] = /^[^?#]*?:\/\/[^/?#]*([^?#]*)\??([^#]*)/s.exec(link) ?? [];
  const last = path.slice(path.lastIndexOf('/') + 1).replace(/;.*$/s, '');
  const parameters = new URLSearchParams(query);
  const names = [last, ...['filename', 'file', 'name'].map((parameter) => parameters.get(parameter)), fileName];
  return names.find((name): name is string => name !== null && extensionOf(name) !== null) ?? last;
}
