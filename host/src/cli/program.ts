import { PipelineError } from '@pipeline-host/sdk';
import { type Command, CommanderError } from 'commander';
import { didYouMean } from '../config/did-you-mean.ts';
import { list } from '../config/schema-faults.ts';
import { HOST_VERSION } from '../version.ts';
import { printFailure } from './print-failure.ts';
import { rootCommand } from './run-command.ts';

/** How long a command's own closing may go on after it failed. */
const LINGER = 2_000;

/** In the order of the help. Each is loaded when a command line names it: a worker that starts needs none of them. */
const COMMANDS: ReadonlyMap<string, () => Promise<Command>> = new Map([
  ['demo', async () => (await import('./demo/demo.ts')).demoCommand()],
  ['plugins', async () => (await import('./plugin/plugins-command.ts')).pluginsCommand()],
  ['plugin', async () => (await import('./plugin/plugin-command.ts')).pluginCommand()],
  ['dev', async () => (await import('./plugin/dev-command.ts')).devCommand()],
  ['topics', async () => (await import('./topics-command.ts')).topicsCommand()],
  ['publish', async () => (await import('./publish/publish-command.ts')).publishCommand()],
  ['tables', async () => (await import('./tables/tables-command.ts')).tablesCommand()],
  ['config', async () => (await import('./config-command.ts')).configCommand()],
  ['broker', async () => (await import('./broker-command.ts')).brokerCommand()],
]);
/** `help`, `--help` and `-h`, which lists the commands; what only looks like it loads them for nothing. */
const HELP = /^(?:help|--help|-\w*h\w*)$/;

/** Runs one command line; sets the exit code. Never rejects: what fails is printed. */
export async function runProgram(args: readonly string[]): Promise<void> {
  // A reader that went away, as in `pipeline-host plugins | head -1`, is no failure.
  process.stdout.on('error', (error: NodeJS.ErrnoException) => process.exit(error.code === 'EPIPE' ? 0 : 1));
  try {
    await (await createProgram(args)).parseAsync([...args], { from: 'user' });
  } catch (error) {
    if (error instanceof CommanderError && error.exitCode === 0) return;
    process.exitCode = printFailure(error instanceof CommanderError ? argumentError(error, args) : error);
    setTimeout(() => process.exit(), LINGER).unref();
  }
}

/** The program, with the commands that these arguments may mean. */
async function createProgram(args: readonly string[]): Promise<Command> {
  const program = rootCommand([...COMMANDS.keys()]).version(HOST_VERSION, '-V, --version', 'print the version');
  const wantsHelp = args.some((arg) => HELP.test(arg));
  for (const [name, load] of COMMANDS) if (wantsHelp || args.includes(name)) program.addCommand(await load());
  program.helpCommand('help [command]', 'show the help of a command');
  program.hook('preSubcommand', (root, command) => refuseMisplaced(root, command));
  harden(program);
  return program;
}

/** Options before the command would belong to nobody. */
function refuseMisplaced(root: Command, command: Command): void {
  const option = root.options.find((candidate) => root.getOptionValueSource(candidate.attributeName()) === 'cli');
  if (option === undefined) return;
  throw new PipelineError('PH_CLI_ARGUMENT', `${option.long} stands before the command`, {
    place: `pipeline-host ${command.name()}`,
    hint: `write it after: pipeline-host ${command.name()} … ${option.flags}`,
  });
}

/** Commander throws instead of printing and exiting, in every command. */
function harden(command: Command): void {
  command.exitOverride().enablePositionalOptions().showSuggestionAfterError(true);
  command.configureOutput({ writeErr: () => {}, outputError: () => {} });
  for (const below of command.commands) harden(below);
  // A group of commands without one: its help, and not an error without words.
  if (command.commands.length > 0 && command.parent !== null && command.name() !== 'tables')
    command.allowExcessArguments(true).action(() => withoutCommand(command));
}

function withoutCommand(command: Command): never {
  const known = command.commands.map((below) => below.name());
  const [given] = command.args;
  throw new PipelineError(
    'PH_CLI_ARGUMENT',
    given === undefined ? `${command.name()} wants a command` : `unknown command "${command.name()} ${given}"`,
    {
      place: 'command line',
      hint: didYouMean(given ?? '', known, `one of ${known.map((name) => `"${command.name()} ${name}"`).join(', ')}`),
    },
  );
}

/** Commander's words in our form: `error: unknown option '--plugn'\n(Did you mean --plugin?)`. */
function argumentError({ code, message }: CommanderError, args: readonly string[]): PipelineError {
  if (code === 'commander.help') return helpless(args);
  const [first = '', suggestion] = message.split('\n');
  const hint = suggestion === undefined ? 'see --help' : suggestion.replace(/^\(Did you mean (.*)\?\)$/, 'did you mean $1?');
  return new PipelineError('PH_CLI_ARGUMENT', first.replace(/^error: /, ''), { place: 'command line', hint });
}

/** Of all that commander would show a help for, only the command after `help` may not be there. */
function helpless([, name = '']: readonly string[]): PipelineError {
  const known = [...COMMANDS.keys()];
  return new PipelineError('PH_CLI_ARGUMENT', `there is no command "${name}" to help with`, {
    place: 'command line',
    hint: didYouMean(name, known, `the commands are ${list(known)}`),
  });
}
