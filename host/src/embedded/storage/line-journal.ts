import { existsSync, readFileSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import { AppendFile } from './append-file.ts';
import { replaceFile } from './atomic-file.ts';

export interface JournalContents<Line> {
  /** Takes over one line, in the order of writing: those of the file when it is opened, then each that is appended. */
  readonly apply: (line: Line) => void;
  /** The lines that say all that is true now. */
  readonly current: () => Iterable<Line>;
}

const COMPACT_ABOVE_BYTES = 4 << 20;

/**
 * State kept in a file of JSON lines, each with its own checksum, that only grows and is written anew when it is opened and when
 * it has become mostly history. A line that a crash tore, or that does not fit its checksum, is left out.
 */
export class LineJournal<Line> {
  readonly #path: string;
  readonly #contents: JournalContents<Line>;
  #file: AppendFile;
  #compactedSize = 0;
  /** Lines that did not fit their checksum when the file was opened. */
  readonly damagedLines: number;

  constructor(path: string, contents: JournalContents<Line>) {
    this.#path = path;
    this.#contents = contents;
    this.damagedLines = existsSync(path) ? this.#replay(readFileSync(path, 'utf8')) : 0;
    this.#file = this.#compact();
  }

  /** Writes the lines in one piece and applies them. Throws StorageFailure with nothing changed when the disk refuses. */
  append(lines: readonly Line[]): void {
    if (lines.length === 0) return;
    this.#file.append(Buffer.from(lines.map(formatLine).join('')));
    for (const line of lines) this.#contents.apply(line);
    if (this.#file.size > COMPACT_ABOVE_BYTES && this.#file.size > 4 * this.#compactedSize) this.#shrink();
  }

  flush(): Promise<void> {
    return this.#file.flush();
  }

  async close(): Promise<void> {
    await this.#file.flush();
    await this.#file.close();
  }

  /** Housekeeping: what was just appended is stored whether or not there is room for a shorter copy. */
  #shrink(): void {
    const old = this.#file;
    try {
      this.#file = this.#compact();
      void old.close();
    } catch {
      this.#compactedSize = old.size; // tried again when the file has grown as much once more
    }
  }

  #replay(text: string): number {
    let damaged = 0;
    for (const line of text.split('\n')) {
      if (line === '') continue;
      const json = line.slice(9);
      if (line.slice(0, 9) === `${checksum(json)} `) this.#contents.apply(JSON.parse(json) as Line);
      else damaged += 1;
    }
    return damaged;
  }

  #compact(): AppendFile {
    replaceFile(this.#path, Array.from(this.#contents.current(), formatLine).join(''));
    const file = new AppendFile(this.#path);
    this.#compactedSize = file.size;
    return file;
  }
}

function formatLine(line: unknown): string {
  const json = JSON.stringify(line);
  return `${checksum(json)} ${json}\n`;
}

function checksum(json: string): string {
  return crc32(json).toString(16).padStart(8, '0');
}
