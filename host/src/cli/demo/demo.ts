import { PipelineError } from '@pipeline-host/sdk';
import { Command, InvalidArgumentError } from 'commander';
import { listenForStop } from '../stop-signals.ts';
import { runDemo } from './run.ts';
import { type DemoSummary, summaryText } from './summary.ts';

interface DemoFlags {
  readonly plugin: readonly string[];
  readonly data?: string;
  readonly seed: number;
  readonly events?: number;
  readonly keep: boolean;
  readonly chaos: boolean;
  readonly json: boolean;
}

/** `pipeline-host demo` */
export function demoCommand(): Command {
  return new Command('demo')
    .summary('run the whole product on this machine with simulated sources')
    .description(
      'Starts the embedded broker and the simulations of the installed plugins, publishes their events, runs all workers in this\n' +
        'process (with --chaos each in one of its own) and adds up at the end: what went in, what came out, where it is. Needs no config and touches nothing outside\n' +
        'its data folder. Exit code 0 when all sums hold, 1 when one does not; before the summary 130 after\n' +
        'Ctrl-C, 143 after SIGTERM. With --keep, Ctrl-C after a summary whose sums hold is the ordinary end: 0.',
    )
    .option(
      '--plugin <plugin>',
      'plugin to show: a name, a package or a folder; again or by comma for several (default: all with a simulation)',
      collect,
      [],
    )
    .option('--data <folder>', 'folder for everything the demo writes; must be empty (default: .pipeline-host/demo-<time>)')
    .option('--seed <number>', 'the same seed gives the same events and faults', wholeNumber(0), 1)
    .option('--events <number>', "events to publish for each plugin (default: the simulation's own, some thousand)", wholeNumber(1))
    .option('--keep', 'go on with a steady stream after the summary, until Ctrl-C', false)
    .option('--chaos', 'the workers as processes, which are killed with kill -9 and started again as they work', false)
    .option('--json', 'the summary as one JSON object on stdout, all else on stderr', false)
    .addHelpText(
      'after',
      '\nExamples:\n  $ pipeline-host demo\n  $ pipeline-host demo --seed 7 --events 10000 --data /tmp/demo\n  $ pipeline-host demo --json | jq .ok\n',
    )
    .action((flags: DemoFlags) => demo(flags));
}

async function demo(flags: DemoFlags): Promise<void> {
  const stop = new AbortController();
  using signals = listenForStop();
  const interrupted = signals.asked.then((exitCode) => {
    stop.abort();
    return exitCode;
  });
  let summary: DemoSummary | null;
  try {
    summary = await runDemo({
      plugins: flags.plugin,
      data: flags.data,
      seed: flags.seed,
      messages: flags.events,
      keep: flags.keep,
      chaos: flags.chaos,
      cwd: process.cwd(),
      screen: process.stderr,
      signal: stop.signal,
      onSummary: (found) => process.stdout.write(flags.json ? `${JSON.stringify(found)}\n` : `${summaryText(found)}\n`),
    });
  } catch (error) {
    // What fails because the user stopped it is no failure.
    if (!stop.signal.aborted) throw error;
    summary = null;
  }
  if (summary === null) process.exitCode = await interrupted;
  else if (!summary.ok) throw wrongSums(summary.data);
}

function wrongSums(data: string): PipelineError {
  return new PipelineError('PH_DEMO_SUMS', 'the sums of the demo do not hold', { place: data });
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, ...value.split(',').filter((name) => name !== '')];
}

function wholeNumber(least: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < least)
      throw new InvalidArgumentError(`a whole number from ${least} on is meant.`);
    return value;
  };
}
