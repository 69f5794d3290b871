import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../..', import.meta.url));
const BIN = join(ROOT, 'host/bin/pipeline-host.js');

export interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface RunOptions {
  readonly cwd: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly input?: string | Buffer;
  /** Milliseconds; then it is killed, and the code is null. */
  readonly deadline?: number;
  /** A process group of its own, as a terminal gives it. */
  readonly detached?: boolean;
}

/** The command line as a user runs it, from source. */
export function startCommand(args: readonly string[], { cwd, env = {}, detached = false }: RunOptions): ChildProcess {
  return spawn(process.execPath, ['-C', '@pipeline-host/source', '--disable-warning=ExperimentalWarning', BIN, ...args], {
    cwd,
    detached,
    // Nothing of the machine's own settings, and no options of the test runner.
    env: { PATH: process.env['PATH'] ?? '', HOME: cwd, ...env },
  });
}

export async function runCommand(args: readonly string[], options: RunOptions): Promise<Outcome> {
  const child = startCommand(args, options);
  child.stdin?.on('error', () => {}).end(options.input);
  return outcomeOf(child, options.deadline);
}

/** Resolves with what a process has said once it fits the pattern. */
export function firstOutput(child: ChildProcess, pattern: RegExp, stream: 'stdout' | 'stderr' = 'stdout'): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = '';
    child[stream]?.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
      if (pattern.test(text)) resolve(text);
    });
    child.on('close', (code) => reject(new Error(`ended with ${code} before it said ${pattern}: ${text}`)));
  });
}

/** What a process says until it ends. */
export function outcomeOf(child: ChildProcess, deadline = 60_000): Promise<Outcome> {
  const output = { stdout: '', stderr: '' };
  child.stdout?.on('data', (text: Buffer) => {
    output.stdout += text.toString('utf8');
  });
  child.stderr?.on('data', (text: Buffer) => {
    output.stderr += text.toString('utf8');
  });
  const timer = setTimeout(() => child.kill('SIGKILL'), deadline);
  return new Promise((resolve) => {
    child.on('close', (code) => {
      clearTimeout(timer);
      resolve({ code, ...output });
    });
  });
}

/** A folder of a user, with the SDK installed. Removed by `remove`. */
export interface Workplace {
  readonly folder: string;
  write(path: string, text: string | Buffer): string;
  /** Installs a plugin as a package of that name; the folder of the package. */
  install(packageName: string, plugin?: PluginFiles): string;
  remove(): void;
}

export interface PluginFiles {
  readonly packageJson?: Readonly<Record<string, unknown>>;
  /** Null for a package without code. */
  readonly code?: string | null;
}

export function makeWorkplace(): Workplace {
  const folder = mkdtempSync(join(tmpdir(), 'ph-cli-'));
  const write = (path: string, text: string | Buffer): string => {
    const file = join(folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, text);
    return file;
  };
  write('package.json', '{ "name": "workplace", "private": true }');
  mkdirSync(join(folder, 'node_modules/@pipeline-host'), { recursive: true });
  symlinkSync(join(ROOT, 'sdk'), join(folder, 'node_modules/@pipeline-host/sdk'));
  return {
    folder,
    write,
    install: (packageName, { packageJson = {}, code = weatherPlugin() } = {}) => {
      const root = join('node_modules', packageName);
      const manifest = {
        name: packageName,
        version: '1.2.3',
        type: 'module',
        exports: './index.js',
        pipelineHost: { plugin: 'weather', sdk: '>=0.1.0' },
      };
      write(join(root, 'package.json'), JSON.stringify({ ...manifest, ...packageJson }));
      if (code !== null) write(join(root, 'index.js'), code);
      return join(folder, root);
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A small plugin as a third party writes it. `changes` are replaced in its text. */
export function weatherPlugin(changes: Readonly<Record<string, string>> = {}): string {
  return Object.entries(changes).reduce((text, [from, to]) => {
    if (!text.includes(from)) throw new Error(`the plugin does not say ${from}`);
    return text.replace(from, to);
  }, WEATHER);
}

const WEATHER = `import { column, defineTable, defineTableWriter, defineTopic, defineWorker, definePlugin, done, externalTopic, Id, Nullable, output, Secret, Type } from '@pipeline-host/sdk';

const Config = Type.Object({ limit: Type.Integer({ default: 100 }), token: Type.Optional(Secret()) });
const Reading = Type.Object({ sensor: Id(), celsius: Type.Number() });
const Fahrenheit = Type.Object({ sensor: Id(), fahrenheit: Type.Number() });

const readings = defineTopic('readings', Reading, {
  key: (reading) => reading.sensor,
  accepts: [{ schema: Fahrenheit, upgrade: (old) => ({ sensor: old.sensor, celsius: (old.fahrenheit - 32) / 1.8 }) }],
});
const warm = defineTopic('warm', Reading, { key: (reading) => reading.sensor });
const table = defineTable('weather_warm', Type.Object({ sensor: column.string(), celsius: Nullable(column.double()) }), { mode: 'merge', key: ['sensor'] });

const sifter = defineWorker({
  consumes: readings,
  produces: [warm],
  config: Config,
  handle: (reading) => done(reading.celsius > 20 ? [output(warm, reading)] : []),
});
const writer = defineTableWriter({ consumes: warm, writes: [table], flush: { age: '100ms' }, rows: (reading) => ({ weather_warm: [reading] }) });

export default definePlugin({ name: 'weather', config: Config, topics: [readings, warm], tables: [table], workers: { sifter, writer } });
`;
