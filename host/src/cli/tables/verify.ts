import { PipelineError, type TableDefinition } from '@pipeline-host/sdk';
import { Command } from 'commander';
import { type Verified, type VerifyFault, type VerifyOptions, verifyTable } from '../../delta/index.ts';
import { addCommonOptions, type CommandFlags, jsonOption } from '../command-options.ts';
import { counted } from '../counted.ts';
import { print, tableLines } from '../text-table.ts';
import { withDeltaEngine } from './delta-session.ts';
import { findTablePlace } from './table-place.ts';

type VerifyFlags = CommandFlags & { readonly json: boolean };

/** `pipeline-host tables verify` */
export function verifyCommand(): Command {
  return addCommonOptions(
    new Command('verify')
      .summary('hold what is on disk against the log of a table')
      .description(
        'Reads the whole log and every data file: versions, checkpoints, sizes, schemas, statistics, deletion vectors, partition values, and the merge key of a table of a plugin. Changes nothing. Exits with 1 where something does not hold.',
      )
      .argument('<table>', 'name of a table, or a folder (with a / in it)'),
  )
    .addOption(jsonOption())
    .addHelpText('after', '\nExamples:\n  $ pipeline-host tables verify readings\n  $ pipeline-host tables verify ./lake/orders --json')
    .action((table: string, flags: VerifyFlags) => verify(table, flags));
}

async function verify(name: string, flags: VerifyFlags): Promise<void> {
  const { store, path, engine: options, definition } = await findTablePlace(name, flags, 'verify');
  const uri = store.local?.path(path) ?? `${store.uri}/${path}`;
  const verified = await withDeltaEngine(options, (engine) => verifyTable(engine, store, path, verifyOptions(definition)));
  print(flags.json ? JSON.stringify({ table: path, uri, ...verified }, null, 2) : lines(path, uri, verified).join('\n'));
  if (verified.faults.length > 0)
    throw new PipelineError('PH_DELTA_VERIFY', `${counted(verified.faults.length, 'promise')} of table ${path} broken`, { place: uri });
}

function verifyOptions(definition: TableDefinition | null): VerifyOptions {
  if (definition?.options.mode !== 'merge') return {};
  const { key, aliases = {} } = definition.options;
  return { mergeKey: key.map((name) => [name, ...(aliases[name] ?? [])]) };
}

function lines(table: string, uri: string, { version, checks, faults, unnamed, unfinishedCommits }: Verified): readonly string[] {
  const told = [`${table}, ${version === null ? 'no version that can be read' : `version ${version}`}, ${uri}`, ''];
  told.push(
    ...tableLines(
      ['CHECK', 'LOOKED AT', 'FAULTS'],
      checks.map(({ check, looked, faults: broken }) => [check, looked, broken]),
    ),
    '',
  );
  told.push(`${counted(unnamed.files.length, 'file')} (${counted(unnamed.bytes, 'byte')}) that no version in the log names`);
  if (unfinishedCommits.length > 0) told.push(`${counted(unfinishedCommits.length, 'unfinished commit')}: ${unfinishedCommits.join(', ')}`);
  if (faults.length > 0) told.push('', ...faults.map(faultLine));
  return told;
}

function faultLine({ code, check, file, column, is, should }: VerifyFault): string {
  const place = [file, column === null ? null : `column ${column}`].filter((part) => part !== null).join(', ');
  return `${code} ${check}: ${place === '' ? '' : `${place}: `}is ${is}; should be ${should}`;
}
