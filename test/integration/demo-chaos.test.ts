import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DemoSummary } from '../../host/src/cli/demo/summary.ts';
import { firstOutput, makeWorkplace, outcomeOf, startCommand } from '../host/cli/command-line.ts';
import { until } from '../host/kafka/contract-kit.ts';

const XACT = fileURLToPath(new URL('../../plugins/xact', import.meta.url));

/** Processes of workers that the demo has named so far and that are there. */
function livingOf(stderr: string): readonly number[] {
  const first = /each worker in a process: (.*)/.exec(stderr)?.[1] ?? '';
  const named = [...first.matchAll(/ (\d+)/g), ...stderr.matchAll(/\(process (\d+)\)/g)];
  assert.ok(named.length >= 5, stderr);
  return named.map(([, pid]) => Number(pid)).filter(lives);
}

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

describe('pipeline-host demo --chaos', () => {
  it('kills workers while they work, starts them again, and its sums hold', async () => {
    const place = makeWorkplace();
    const args = ['demo', '--chaos', '--plugin', XACT, '--data', 'chaos', '--events', '400', '--json'];
    const { code, stdout, stderr } = await outcomeOf(startCommand(args, { cwd: place.folder }), 110_000);
    assert.equal(code, 0, stderr);
    const summary = JSON.parse(stdout) as DemoSummary;
    assert.ok(summary.plugins.every(({ sums }) => sums.length > 0 && sums.every(({ holds }) => holds)));
    assert.equal(summary.chaos?.kills, 8);
    const killed = [...stderr.matchAll(/kill -9 (\S+) \(process \d+\) with ([\d,]+) records? open/g)];
    const back = [...stderr.matchAll(/(\S+) is back after [\d.]+ s/g)];
    assert.deepEqual(
      back.map(([, worker]) => worker),
      killed.map(([, worker]) => worker),
    );
    assert.equal(new Set(killed.map(([, worker]) => worker)).size, 5, 'every worker of xact is killed');
    assert.equal(
      summary.chaos.openWhenKilled,
      killed.reduce((sum, [, , open]) => sum + Number(open?.replaceAll(',', '')), 0),
    );
    assert.ok(summary.chaos.messages > 0);
    assert.deepEqual(livingOf(stderr), []);
    place.remove();
  });

  it('leaves no process behind when it is interrupted', async () => {
    const place = makeWorkplace();
    const demo = startCommand(['demo', '--chaos', '--plugin', XACT, '--data', 'stopped', '--events', '20000'], { cwd: place.folder });
    const end = outcomeOf(demo, 100_000);
    await firstOutput(demo, /is back after/, 'stderr');
    demo.kill('SIGINT');
    const { code, stderr } = await end;
    assert.equal(code, 130, stderr);
    assert.deepEqual(livingOf(stderr), []);
    place.remove();
  });

  it('fails with the place of its log when a worker ends that nobody ended', async () => {
    const place = makeWorkplace();
    const demo = startCommand(['demo', '--chaos', '--plugin', XACT, '--data', 'ended', '--events', '20000'], { cwd: place.folder });
    const end = outcomeOf(demo, 100_000);
    const text = await firstOutput(demo, /each worker in a process: .*xact\.downloader \d+/, 'stderr');
    process.kill(Number(/xact\.downloader (\d+)/.exec(text)?.[1]), 'SIGKILL');
    const { code, stderr } = await end;
    assert.equal(code, 1, stderr);
    assert.match(stderr, /PH_DEMO_WORKER_ENDED: process \d+ of xact\.downloader ended by itself: SIGKILL\n +at .*xact\.downloader\.log/);
    assert.deepEqual(livingOf(stderr), []);
    place.remove();
  });

  it('takes its workers along when it is killed itself', async () => {
    const place = makeWorkplace();
    const demo = startCommand(['demo', '--chaos', '--plugin', XACT, '--data', 'killed', '--events', '20000'], { cwd: place.folder });
    const end = outcomeOf(demo, 100_000);
    await firstOutput(demo, /is back after/, 'stderr');
    demo.kill('SIGKILL');
    const { stderr } = await end;
    assert.ok(/is back after/.test(stderr));
    await until('the workers to end', () => livingOf(stderr).length === 0, 60_000);
    place.remove();
  });
});
