import assert from 'node:assert/strict';
import type { ChildProcess } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, describe, it } from 'node:test';
import { HOST_VERSION } from '../../../host/src/version.ts';
import { firstOutput, makeWorkplace, type Outcome, outcomeOf, runCommand, startCommand, type Workplace } from './command-line.ts';

let place: Workplace;
let env: Readonly<Record<string, string>>;
const started: ChildProcess[] = [];
before(() => {
  place = makeWorkplace();
  // This Node, that takes itself for an old one until it was started by the launcher.
  const file = place.write(
    'old-node.cjs',
    "if (process.env.PIPELINE_HOST_RELAYED === undefined) Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '20.11.0' } });",
  );
  env = { NODE_OPTIONS: `--require=${file}` };
});
after(() => place.remove());
afterEach(() => {
  for (const { pid } of started.splice(0)) signalGroup(pid, 'SIGKILL');
});

/** As a terminal does it: to the launcher and to what it started. */
function signalGroup(pid: number | undefined, signal: NodeJS.Signals): void {
  try {
    if (pid !== undefined) process.kill(-pid, signal);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

const start = (...args: readonly string[]): ChildProcess => {
  const child = startCommand(args, { cwd: place.folder, env, detached: true });
  started.push(child);
  return child;
};

/** A broker of that folder, started by an old Node, once it runs. */
async function startBroker(
  data: string,
): Promise<{ readonly child: ChildProcess; readonly ended: Promise<Outcome>; readonly pid: number }> {
  const child = start('broker', '--data', data);
  const ended = outcomeOf(child);
  await firstOutput(child, /^data .*\n/m);
  const { pid } = JSON.parse(readFileSync(join(place.folder, data, 'broker/endpoint.json'), 'utf8')) as { readonly pid: number };
  assert.notEqual(pid, child.pid, 'another process does the work');
  return { child, ended, pid };
}

describe('a start', () => {
  it('leaves what it compiled for the next one, in the folder for temporary files', async () => {
    const { code } = await runCommand(['--version'], { cwd: place.folder, env: { TMPDIR: place.folder } });
    assert.equal(code, 0);
    const cached = readdirSync(join(place.folder, 'node-compile-cache'), { recursive: true });
    assert.ok(cached.length > 100, `${cached.length} modules`);
  });
});

describe('an old Node with a newer one installed beside it', () => {
  it('runs the command with that, with its output and its exit code', async () => {
    assert.deepEqual(await outcomeOf(start('--version')), { code: 0, stdout: `${HOST_VERSION}\n`, stderr: '' });
    const { code, stderr } = await outcomeOf(start('plugns'));
    assert.equal(code, 2);
    assert.match(stderr, /^PH_CLI_ARGUMENT: /);
  });

  for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    it(`hands ${signal} on, and waits for the orderly end`, async () => {
      const { child, ended } = await startBroker(`to-one-${signal}`);
      child.kill(signal);
      const { code, stderr } = await ended;
      assert.equal(code, 0, stderr);
      assert.match(stderr, /stopping/);
    });
  }

  it('stops in order also when the signal goes to both, as Ctrl-C and service managers send it', async () => {
    const { child, ended } = await startBroker('to-both');
    signalGroup(child.pid, 'SIGINT');
    const { code, stderr } = await ended;
    assert.equal(code, 0, stderr);
  });

  it('leaves nothing behind when it is killed', async () => {
    const { child, ended } = await startBroker('orphan');
    child.kill('SIGKILL');
    // The output ends when the last process that writes it has ended.
    assert.match((await ended).stderr, /stopping/);
  });

  it('dies of the signal that what it started died of', async () => {
    const { child, ended, pid } = await startBroker('killed');
    process.kill(pid, 'SIGKILL');
    await ended;
    assert.equal(child.signalCode, 'SIGKILL');
  });
});
