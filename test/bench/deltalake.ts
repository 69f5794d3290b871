import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { readerPackages } from '../integration/foreign/packages.ts';
import type { Run } from './measure.ts';

const PROGRAM = fileURLToPath(new URL('./beside-deltalake.py', import.meta.url));

type Spent = Pick<Run, 'seconds' | 'cpuSeconds'>;

/** Python's `deltalake` in a process of its own, which does the same as we do with the same rows. */
export interface Deltalake extends AsyncDisposable {
  /** Files of events as NDJSON, parsed by pyarrow.json and appended, a commit each; with `ahead` the next is parsed in a second thread. */
  append(request: {
    readonly folder: string;
    readonly blocks: readonly string[];
    readonly texts: Readonly<Record<string, string>>;
    readonly ahead: boolean;
    /** Of the transaction in the first of the commits. */
    readonly version: number;
  }): Promise<Spent>;
  /** A file of rows as NDJSON, merged by `id`; null keeps what is stored. */
  merge(request: { readonly folder: string; readonly changes: string }): Promise<Spent>;
  count(request: { readonly folder: string }): Promise<{ readonly rows: number }>;
}

/** Null where Python or PyPI cannot be had: then a loud line says so. */
export async function startDeltalake(): Promise<Deltalake | null> {
  let packages: string;
  try {
    packages = await readerPackages();
  } catch (error) {
    const reason = error instanceof Error ? error.message.trim().split('\n').at(-1) : String(error);
    process.stderr.write(`*** SKIPPED: nothing was compared with Python's deltalake, which cannot be had: ${reason} ***\n`);
    return null;
  }
  const child = spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'], env: { ...process.env, PYTHONPATH: packages } });
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const ask = async <Answer>(request: object): Promise<Answer> => {
    child.stdin.write(`${JSON.stringify(request)}\n`);
    const answer = await answers.next();
    if (answer.done === true) throw new Error('the process of deltalake has ended');
    return JSON.parse(answer.value) as Answer;
  };
  return {
    append: (request) => ask({ do: 'append', ...request }),
    merge: (request) => ask({ do: 'merge', ...request }),
    count: (request) => ask({ do: 'count', ...request }),
    async [Symbol.asyncDispose]() {
      child.stdin.end();
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}
