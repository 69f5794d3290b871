/** Parameters of a path that fits a pattern, or null. */
export type PatternMatch = (method: string, path: string) => Readonly<Record<string, string>> | null;

/**
 * `GET /projects/:id/media` fits one segment for `:id`; `GET /files/*` fits whatever follows, under the name `*`; `*` in place
 * of the method fits each.
 */
export function compilePattern(pattern: string): PatternMatch {
  const [method = '', path = ''] = pattern.split(' ');
  if (!path.startsWith('/')) throw new TypeError(`"${pattern}" is no route: write a method and a path, such as "GET /projects/:id"`);
  const wanted = path.split('/').slice(1);
  return (askedMethod, askedPath) => {
    if (method !== '*' && method !== askedMethod) return null;
    const given = askedPath.split('/').slice(1);
    const params: Record<string, string> = {};
    for (const [index, segment] of wanted.entries()) {
      if (segment === '*') return { ...params, '*': given.slice(index).join('/') };
      const value = given[index];
      if (value === undefined) return null;
      if (segment.startsWith(':')) params[segment.slice(1)] = decoded(value);
      else if (segment !== value) return null;
    }
    return given.length === wanted.length ? params : null;
  };
}

/** A segment that is no good percent-encoding stands for itself. */
function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}
