/** A URL without query and fragment, where the signature is; read as text, since a parser would refuse some and rewrite others. */
export function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '');
}
