import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const README = `${ROOT}/README.md`;

export function readReadme(): string {
  return readFileSync(README, 'utf8');
}

/** The text between `<!-- name:begin -->` and `<!-- name:end -->`. */
export function section(name: string, readme = readReadme()): string {
  const match = new RegExp(`<!-- ${name}:begin -->\\n([\\s\\S]*?)<!-- ${name}:end -->`).exec(readme);
  if (match?.[1] === undefined) throw new Error(`README has no section ${name}`);
  return match[1];
}

/** Whether README is to be written anew rather than checked: `UPDATE_README=1`. */
export const updatesReadme = process.env['UPDATE_README'] === '1';

export function writeSection(name: string, text: string): void {
  const readme = readReadme();
  const begin = `<!-- ${name}:begin -->\n`;
  const start = readme.indexOf(begin) + begin.length;
  writeFileSync(README, readme.slice(0, start) + text + readme.slice(readme.indexOf(`<!-- ${name}:end -->`)));
}

export function writeFileBlock(path: string, content: string): void {
  const readme = readReadme();
  const opening = new RegExp(`^\`\`\`\\w+ file=${path.replaceAll('.', '\\.')}\\n`, 'm').exec(readme);
  if (opening === null) throw new Error(`README has no block for ${path}`);
  const start = opening.index + opening[0].length;
  writeFileSync(README, readme.slice(0, start) + content + readme.slice(readme.indexOf('```', start)));
}
