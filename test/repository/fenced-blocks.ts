/** A file that a document gives whole, in a block that opens with ```` ```ts file=my-plugin/index.ts ````. */
export interface FencedFile {
  readonly path: string;
  readonly text: string;
}

interface FencedBlock {
  readonly info: string;
  readonly text: string;
}

/** The files that a Markdown document gives, in its order; a path that leaves the folder is refused. */
export function filesOf(markdown: string): readonly FencedFile[] {
  return blocksOf(markdown).flatMap(({ info, text }) => {
    const path = /(?:^|\s)file=(\S+)/.exec(info)?.[1];
    if (path === undefined) return [];
    if (path.startsWith('/') || path.split('/').includes('..')) throw new Error(`${path} lies outside the folder`);
    return [{ path, text }];
  });
}

/**
 * The commands of its shell blocks, one a line, without the comments behind them.
 *
 * @param mark word after `sh`: the blocks that have it; all but those with one by default
 */
export function commandsOf(markdown: string, mark?: string): readonly string[] {
  return blocksOf(markdown)
    .filter(({ info }) => info === (mark === undefined ? 'sh' : `sh ${mark}`))
    .flatMap(({ text }) => text.split('\n').map((line) => line.replace(/(?:^|\s+)#.*$/, '').trim()))
    .filter((line) => line !== '');
}

/** The part of a document under `## title`, up to the next of that level. */
export function chapterOf(markdown: string, title: string): string {
  const chapter = markdown.split(/^## /m).find((part) => part.startsWith(`${title}\n`));
  if (chapter === undefined) throw new Error(`no chapter "${title}"`);
  return chapter;
}

function blocksOf(markdown: string): readonly FencedBlock[] {
  return [...markdown.matchAll(/^(`{3,})([^\n`]*)\n([\s\S]*?)^\1[ \t]*$/gm)].map(([, , info = '', text = '']) => ({
    info: info.trim(),
    text,
  }));
}
