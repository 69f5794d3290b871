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

/** The shell scripts that a document wants to be run as they stand, in blocks that open with ```` ```sh run ````. */
export function scriptsOf(markdown: string): readonly string[] {
  return blocksOf(markdown)
    .filter(({ info }) => /^(?:sh|bash|console)\s+run\b/.test(info))
    .map(({ text }) => text);
}

function blocksOf(markdown: string): readonly FencedBlock[] {
  return [...markdown.matchAll(/^(`{3,})([^\n`]*)\n([\s\S]*?)^\1[ \t]*$/gm)].map(([, , info = '', text = '']) => ({
    info: info.trim(),
    text,
  }));
}
