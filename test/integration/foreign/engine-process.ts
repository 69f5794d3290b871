import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const PROGRAM = fileURLToPath(new URL('./serve.py', import.meta.url));
/** Of what it said on stderr, for the error that tells of its end. */
const LAST_WORDS = 4000;

/** A Python process that answers one request after the other. */
export class EngineProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #folder: string;
  readonly #waiting: { resolve: (value: unknown) => void; reject: (error: Error) => void }[] = [];
  #said = '';

  private constructor(child: ChildProcess, folder: string) {
    this.#child = child;
    this.#folder = folder;
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.#said = (this.#said + text).slice(-LAST_WORDS);
    });
    if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', (line) => this.#answered(line));
    child.stdin?.on('error', () => undefined); // its end is told by `close`
    child.on('error', (error) => this.#ended(error.message));
    child.on('close', (code, signal) => this.#ended(`it ended with ${signal ?? code}`));
  }

  static async start(engine: string, environment: Readonly<Record<string, string>>): Promise<EngineProcess> {
    const folder = await mkdtemp(join(tmpdir(), 'ph-engine-'));
    const child = spawn('python3', [PROGRAM, engine], { cwd: folder, env: { ...process.env, ...environment } });
    return new EngineProcess(child, folder);
  }

  /** Runs one of the functions of the engine's Python module. */
  async call(name: string, request: Readonly<Record<string, unknown>>): Promise<unknown> {
    const { stdin, exitCode } = this.#child;
    if (exitCode !== null) throw new Error(`the engine has ended: ${this.#said}`);
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      stdin?.write(`${JSON.stringify({ do: name, ...request })}\n`);
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { exitCode, signalCode } = this.#child;
    if (exitCode === null && signalCode === null) {
      const closed = once(this.#child, 'close');
      this.#child.stdin?.end();
      const killed = setTimeout(() => this.#child.kill('SIGKILL'), 20_000);
      await closed;
      clearTimeout(killed);
    }
    await rm(this.#folder, { recursive: true, force: true });
  }

  #answered(line: string): void {
    const answer = JSON.parse(line) as { readonly ok?: unknown; readonly error?: string };
    const waiting = this.#waiting.shift();
    if (answer.error === undefined) waiting?.resolve(answer.ok);
    else waiting?.reject(new Error(answer.error));
  }

  #ended(reason: string): void {
    for (const { reject } of this.#waiting.splice(0)) reject(new Error(`the engine is gone: ${reason}: ${this.#said}`));
  }
}
