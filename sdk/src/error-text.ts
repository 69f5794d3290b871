/**
 * An error's text, fit for a message or a table: no query, fragment or user info of any URL is left in it, since a signature may
 * stand there, and it is cut to `maxLength` UTF-16 units, 500 by default, the last three of them dots.
 */
export function errorText(text: string, maxLength = 500): string {
  const shown = text
    .replace(/\b(https?:\/\/)(?:[^\s/?#"'<>]*@)?([^\s?#"'<>]*)[?#][^\s"'<>]*/gi, '$1$2')
    .replace(/\b(https?:\/\/)[^\s/?#"'<>]*@/gi, '$1');
  return shown.length <= maxLength ? shown : `${shown.slice(0, maxLength - 3).toWellFormed()}...`;
}
