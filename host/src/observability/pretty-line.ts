import { styleText } from 'node:util';

const COLOURS = {
  debug: 'gray',
  info: 'cyan',
  warn: 'yellow',
  error: 'red',
} as const;

/** Logs go to stderr; colours only where that is a terminal. */
const ON = { stream: process.stderr } as const;

/** One JSON log line as a line for people: `14:22:07 WARN claims.enricher message name=value …`, errors below it. */
export function prettyLine(line: string): string {
  let parsed: unknown;
  try {
    parsed = JSON.parse(line);
  } catch {
    return line;
  }
  if (typeof parsed !== 'object' || parsed === null) return line;
  const { level, time, msg, pid: _pid, plugin, worker, error, ...rest } = parsed as Readonly<Record<string, unknown>>;
  const label = String(level);
  const colour = label in COLOURS ? COLOURS[label as keyof typeof COLOURS] : 'white';
  const unit = [plugin, worker].flatMap((name) => (typeof name === 'string' ? [name] : [])).join('.');
  const fields = Object.entries(rest).map(([name, value]) => `${name}=${shown(value)}`);
  const head = [
    String(time).slice(11, 19),
    styleText(colour, label.toUpperCase().padEnd(5), ON),
    unit,
    String(msg),
    styleText('gray', fields.join(' '), ON),
  ];
  return `${printable(head.filter((part) => part !== '').join(' '))}\n${error === undefined ? '' : printable(errorLines(error, '  '))}`;
}

function errorLines(error: unknown, indent: string): string {
  if (typeof error !== 'object' || error === null) return `${indent}${shown(error)}\n`;
  const { type, code, message, place, hint, cause } = error as Readonly<Record<string, unknown>>;
  const lines = [`${indent}${shown(code ?? type)}: ${shown(message)}`];
  if (place !== undefined) lines.push(`${indent}at ${shown(place)}`);
  if (hint !== undefined) lines.push(`${indent}→ ${shown(hint)}`);
  return `${lines.join('\n')}\n${cause === undefined ? '' : errorLines(cause, `${indent}  `)}`;
}

function shown(value: unknown): string {
  return typeof value === 'string' ? value : (JSON.stringify(value) ?? '');
}

/** Without control characters other than line breaks and our own colours: a log line must not drive the terminal. */
function printable(text: string): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what must not get through
  return text.replace(/\u001b(?!\[\d{1,2}m)|[\u0000-\u0008\u000b-\u001a\u001c-\u001f\u007f-\u009f]/g, '�');
}
