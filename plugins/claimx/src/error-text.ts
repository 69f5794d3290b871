const MAX_LENGTH = 500;

/** An error's text, at most 500 characters, with no query, fragment or user info of any URL in it. */
export function errorText(text: string): string {
  const shown = text
    .replace(/\b(https?:\/\/)(?:[^\s/?#"'<>]*@)?([^\s?#"'<>]*)[?#][^\s"'<>]*/gi, '$1$2')
    .replace(/\b(https?:\/\/)[^\s/?#"'<>]*@/gi, '$1');
  return shown.length <= MAX_LENGTH ? shown : `${shown.slice(0, MAX_LENGTH - 3).toWellFormed()}...`;
}
