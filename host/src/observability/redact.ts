/**
 * One redactor for every text that leaves the process other than as data: logs, problem bodies, error texts of dead
 * letters, metric labels. It cuts rather than guesses: a query string goes whole, since names of signing parameters
 * differ from store to store.
 */

export const REDACTED = '<redacted>';

/** Shorter values are only hidden where they are a text's whole: replacing every `ab` would spoil the logs and hide nothing. */
const SHORTEST_PART = 5;

/** Forms of the registered secrets with the number of times each was registered. Process wide: config resolves, everyone redacts. */
const registered = new Map<string, number>();
/** Longest first, so that a secret that contains another one is cut whole. */
let forms: readonly string[] = [];

/**
 * Makes a resolved secret invisible in every text: as it stands, URL-encoded, JSON-escaped, in base64, and line by line
 * (PEM). Returns a function that forgets it again.
 */
export function registerSecret(value: string): () => void {
  const added = formsOf(value);
  for (const form of added) registered.set(form, (registered.get(form) ?? 0) + 1);
  sortForms();
  let forgotten = false;
  return () => {
    if (forgotten) return;
    forgotten = true;
    for (const form of added) {
      const left = (registered.get(form) ?? 1) - 1;
      if (left > 0) registered.set(form, left);
      else registered.delete(form);
    }
    sortForms();
  };
}

function sortForms(): void {
  forms = [...registered.keys()].sort((left, right) => right.length - left.length);
}

function formsOf(value: string): readonly string[] {
  if (value.trim() === '') return [];
  const lines = value.split(/\r?\n/).filter((line) => line.length >= 16 && !line.startsWith('-----'));
  const base64 = Buffer.from(value).toString('base64');
  const all = [
    value,
    value.trim(),
    JSON.stringify(value).slice(1, -1),
    base64.replace(/=+$/, ''),
    Buffer.from(value).toString('base64url'),
  ];
  if (value.isWellFormed()) all.push(encodeURIComponent(value), new URLSearchParams({ v: value }).toString().slice(2));
  if (lines.length > 1) all.push(...lines);
  return [...new Set(all)];
}

const SECRET_NAME =
  /pass(?:word|wd|phrase|code)|^pwd$|secret|token|authorization|^auth$|credential|connection_?string|(?:api|access|account|private|storage|shared|signing|encryption|master)_?key|^sig$|signature|^sas|sas(?:_?url|_?uri)?$|cookie|^jwt$|^bearer$|^pin$/;
/** Numbers about secrets that are none themselves. */
const ABOUT_SECRET = /(?:count|total|seconds|second|millis|_ms|bytes|length|expiry|expires|expires_?(?:at|in|on)|age|ttl|lifetime)$/;

/** True for a field that is named like a secret: `password`, `clientSecret`, `X-Api-Key`, `connectionString` … */
export function isSecretName(name: string): boolean {
  const plain = name
    .replace(/([a-z0-9])([A-Z])/g, '$1_$2')
    .replace(/[^A-Za-z0-9]+/g, '_')
    .toLowerCase();
  return SECRET_NAME.test(plain) && !ABOUT_SECRET.test(plain);
}

// Every pattern is linear in the length of the text: bounded white space, no nested repetition.
const PEM = /-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]{0,40}-----|$)/g;
const URL_REST = /:(\\?\/\\?\/)([^\s"<>`?#]*)(\?[^\s"]*)?(#[^\s"]*)?/g;
const PATH_QUERY = /\?[^\s"=?]{0,200}=[^\s"]*/g;
const ENCODED_QUERY = /%3f[^\s"]*/gi;
const HEADER_VALUE = /((?:proxy-)?authorization|(?:set-)?cookie)(\\?["']?\s{0,3}[:=]\s{0,3}\\?["']?)[^\r\n"'}\]]+/gi;
const SCHEME_TOKEN = /\b(bearer|basic|negotiate|sharedaccesssignature)(\s{1,3})[^\s"',;)}\]]+/gi;
const PAIR =
  /((?:passwords?|passwd|passphrase|secrets?|tokens?|credentials?|signature|security-token|pwd|(?:api|access|account|private|storage|shared|encryption)[-_ ]?key|connection[-_ ]?string|(?<![a-z])(?:sig|auth|jwt))\\?["']?\s{0,3}[:=]\s{0,3})(\\?"[^"]*"?|'[^']*'?|[^\s,;&"'}\]]+)/gi;
const JWT = /\beyJ[\w-]{8,}\.[\w-]+(?:\.[\w-]*)?/g;

/** Longest text that is looked at; what is beyond never gets out. */
const LONGEST_INPUT = 65_536;

/**
 * The text without query strings and user info of URLs, `Authorization` and cookie values, SAS and S3 signatures,
 * account keys, bearer and basic tokens, private keys, `password=`-like pairs and registered secrets; at most `limit`
 * UTF-16 units long (default 8,192), cut with `…`. Never throws.
 */
export function redactText(text: string, limit = 8_192): string {
  let result = text.length > LONGEST_INPUT ? text.slice(0, LONGEST_INPUT) : text;
  for (const form of forms) {
    if (form.length < SHORTEST_PART ? result === form : result.includes(form)) result = result.replaceAll(form, REDACTED);
  }
  // A secret that the cut above halved stands at the very end.
  if (text.length > LONGEST_INPUT) result = result.slice(0, -Math.max(forms[0]?.length ?? 0, 1));
  result = result
    .replace(PEM, REDACTED)
    .replace(URL_REST, cutUrl)
    .replace(PATH_QUERY, `?${REDACTED}`)
    .replace(ENCODED_QUERY, `%3F${REDACTED}`)
    .replace(HEADER_VALUE, `$1$2${REDACTED}`)
    .replace(SCHEME_TOKEN, `$1$2${REDACTED}`)
    .replace(PAIR, `$1${REDACTED}`)
    .replace(JWT, REDACTED);
  return result.length > limit ? `${result.slice(0, limit - 1)}…` : result;
}

function cutUrl(_match: string, slashes: string, place: string, query: string | undefined, fragment: string | undefined): string {
  const path = place.search(/[/\\]/);
  const authority = path === -1 ? place : place.slice(0, path);
  // Passwords with a slash, question mark or hash that nobody encoded end the authority too early: `user:p/ss@host`.
  const broken = /:(?!\d*$)/.test(authority) && !authority.includes('@') && `${place}${query ?? ''}${fragment ?? ''}`.includes('@');
  if (broken) return `:${slashes}${REDACTED}`;
  const user = authority.lastIndexOf('@');
  const address = user === -1 ? place : `${REDACTED}@${place.slice(user + 1)}`;
  const cutQuery = query === undefined || query === '?' ? '' : `?${REDACTED}`;
  return `:${slashes}${address}${cutQuery}${fragment?.includes('=') ? `#${REDACTED}` : (fragment ?? '')}`;
}
