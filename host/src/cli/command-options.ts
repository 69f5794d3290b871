import { type Command, InvalidArgumentError, Option } from 'commander';
import type { FlagSetting } from '../config/load.ts';

/** Options that most commands share. */
export interface CommandFlags {
  readonly plugin?: readonly string[];
  readonly config?: string;
  readonly data?: string;
}

/** `--plugin`, `--config` and `--data`, which mean the same everywhere. */
export function addCommonOptions(
  command: Command,
  plugin = 'plugin: a name, a package or a folder; several by comma (default: all of the config, else all installed)',
): Command {
  return command
    .option('-p, --plugin <plugin>', plugin, collectNames)
    .option('-c, --config <file>', 'config file (default: pipeline-host.config.{yaml,json,ts,js} here or above)')
    .option('-d, --data <folder>', 'data folder: embedded broker, tables, files (config: dataDir)');
}

export function jsonOption(): Option {
  return new Option('--json', 'print JSON for scripts').default(false);
}

/** Option parser: names by comma, or the option again. */
export function collectNames(value: string, before: readonly string[] = []): readonly string[] {
  const names = value.split(',').map((name) => name.trim());
  if (names.some((name) => name === '')) throw new InvalidArgumentError('A name is empty.');
  return [...before, ...names];
}

/** Option parser: a whole number in a range. */
export function wholeNumber(least: number, most: number): (text: string) => number {
  return (text) => {
    const value = Number(text);
    if (!/^\d+$/.test(text) || value < least || value > most)
      throw new InvalidArgumentError(`A whole number from ${least} to ${most} is meant.`);
    return value;
  };
}

/** The settings that flags set, without those that were not given. */
export function flagSettings(...settings: readonly FlagSetting[]): readonly FlagSetting[] {
  return settings.filter(({ value }) => value !== undefined);
}
