import { text } from 'node:stream/consumers';
import { type HostChild, type HostChildOptions, hostAddress, startHostChild } from '../host-child.ts';

/** Plugins may offer their sources under this condition: they run from there, as they are. */
export const CONDITIONS = ['development'];

export interface DevRunsOptions {
  /** Of `pipeline-host`, for the plugin and its config. */
  readonly args: readonly string[];
  readonly cwd: string;
  /** Further arguments of the runs. */
  readonly runArgs: readonly string[];
  readonly say: (line: string) => void;
  /** What the plugin's process prints and what a check has found wrong, as it is. */
  readonly show: (text: string) => void;
}

/**
 * The runs of a plugin that is being changed: one process after the other, each with a fresh module graph. The next one begins
 * where the last has stopped: what that one had started is done and committed, so no record is handled twice or by both.
 */
export class DevRuns {
  readonly #options: DevRunsOptions;
  #running: HostChild | null = null;
  #turn: Promise<void> = Promise.resolve();
  /** A change since the last turn began. */
  #changed: string | null = null;
  #isStopping = false;

  constructor(options: DevRunsOptions) {
    this.#options = options;
  }

  /** The first run. Where it cannot begin, the first good change begins it. */
  start(): Promise<void> {
    this.#turn = this.#reload(null);
    return this.#turn;
  }

  /** Checks what was changed, and goes on with it where it is sound. Changes meanwhile are taken up afterwards. */
  changed(file: string): void {
    const isTaken = this.#changed !== null;
    this.#changed = file;
    if (isTaken) return;
    this.#turn = this.#turn.then(async () => {
      const last = this.#changed;
      this.#changed = null;
      if (!this.#isStopping) await this.#reload(last);
    });
  }

  async stop(): Promise<void> {
    this.#isStopping = true;
    await this.#running?.stop();
    await this.#turn;
    await this.#running?.stop();
  }

  async #reload(file: string | null): Promise<void> {
    const { say, show } = this.#options;
    const began = performance.now();
    const wrong = await this.#check();
    if (this.#isStopping) return;
    if (wrong !== null) {
      show(wrong);
      const what = file === null ? 'it cannot run' : `not reloaded after ${file}`;
      say(this.#running === null ? `${what}: waiting for a change` : `${what}: the version before goes on`);
      return;
    }
    const before = this.#running;
    this.#running = null;
    await before?.stop();
    if (this.#isStopping) return;
    try {
      this.#running = await this.#run();
    } catch (error) {
      say(`${error instanceof Error ? error.message : String(error)}: waiting for a change`);
      return;
    }
    if (file !== null) say(`reloaded after ${file} in ${((performance.now() - began) / 1000).toFixed(1)} s`);
  }

  /** What is wrong with the plugin as it is now, found in a process of its own; null where nothing is. */
  async #check(): Promise<string | null> {
    const { args, cwd } = this.#options;
    const check = startHostChild({ ...this.#process(cwd, 'pipe'), args: ['config', 'check', ...args] });
    check.process.stdout?.resume();
    const { stderr } = check.process;
    const [how, said] = await Promise.all([check.ended, stderr === null ? '' : text(stderr)]);
    return how === 'exit code 0' ? null : said;
  }

  async #run(): Promise<HostChild> {
    const { args, runArgs, cwd, say, show } = this.#options;
    const child = startHostChild({ ...this.#process(cwd, 'inherit'), args: [...args, ...runArgs] });
    child.process.stdout?.on('data', (chunk: Buffer) => show(chunk.toString('utf8')));
    await hostAddress(child);
    void child.ended.then((how) => {
      if (this.#running !== child) return;
      this.#running = null;
      if (!this.#isStopping) say(`it ended by itself (${how}): waiting for a change`);
    });
    return child;
  }

  #process(cwd: string, stderr: HostChildOptions['stderr']): Omit<HostChildOptions, 'args'> {
    return { cwd, env: process.env, stderr, conditions: CONDITIONS };
  }
}
