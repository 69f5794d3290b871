import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { errorMessage, PipelineError } from '@pipeline-host/sdk';
import { cosmiconfig, defaultLoaders } from 'cosmiconfig';
import { isPlainObject, type PlainObject } from './setting-path.ts';

const NAME = 'pipeline-host.config';
const ENDINGS = ['.yaml', '.yml', '.json', '.ts', '.js', '.mjs'] as const;

/** Node strips the types of a `.ts` file by itself; cosmiconfig's own loader needs the typescript package. */
async function importDefault(file: string): Promise<unknown> {
  const module = (await import(pathToFileURL(file).href)) as { readonly default?: unknown };
  return module.default;
}

export interface ConfigFile {
  readonly file: string;
  readonly value: PlainObject;
  /** A module computes its values, so a secret in it need not be written down in it. */
  readonly isCode: boolean;
}

/**
 * The config file: the one that is named, or `pipeline-host.config.*` in the working folder or above it, up to the
 * nearest package.json. Null where there is none.
 *
 * @throws PipelineError `PH_CONFIG_NOT_FOUND`, `PH_CONFIG_UNREADABLE`
 */
export async function findConfigFile(cwd: string, named: string | undefined): Promise<ConfigFile | null> {
  const explorer = cosmiconfig('pipeline-host', {
    searchPlaces: ENDINGS.map((ending) => NAME + ending),
    searchStrategy: 'project',
    ignoreEmptySearchPlaces: false,
    cache: false,
    loaders: {
      '.yaml': defaultLoaders['.yaml'],
      '.yml': defaultLoaders['.yaml'],
      '.json': defaultLoaders['.json'],
      '.ts': importDefault,
      '.js': importDefault,
      '.mjs': importDefault,
    },
  });
  const file = named === undefined ? undefined : resolve(cwd, named);
  if (file !== undefined && !existsSync(file))
    throw new PipelineError('PH_CONFIG_NOT_FOUND', `there is no file ${file}`, { place: `--config ${named}` });
  if (file !== undefined && !ENDINGS.some((ending) => file.endsWith(ending))) {
    throw new PipelineError('PH_CONFIG_UNREADABLE', `cannot tell the format of ${basename(file)}`, {
      place: file,
      hint: `use one of the endings ${ENDINGS.join(', ')}`,
    });
  }
  let found: Awaited<ReturnType<typeof explorer.load>>;
  try {
    found = await (file === undefined ? explorer.search(cwd) : explorer.load(file));
  } catch (error) {
    throw unreadable(error, file ?? `${NAME}.* from ${cwd}`);
  }
  if (found === null) return null;
  const value: unknown = found.config ?? {};
  if (!isPlainObject(value)) {
    throw new PipelineError('PH_CONFIG_UNREADABLE', `the config is ${Array.isArray(value) ? 'a list' : typeof value}, not an object`, {
      place: found.filepath,
    });
  }
  if (hasCycle(value)) {
    throw new PipelineError('PH_CONFIG_UNREADABLE', 'a part of the config holds itself', {
      place: found.filepath,
      hint: 'mend the YAML alias that points to a node around it',
    });
  }
  // Editors look for the schema under this key.
  const { $schema: _schema, ...settings } = value;
  return { file: found.filepath, value: settings, isCode: /\.m?[tj]s$/.test(found.filepath) };
}

/** YAML aliases can make an object part of itself. Each node is looked at once, however often it is named. */
function hasCycle(value: unknown, around = new Set<unknown>(), seen = new Set<unknown>()): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (around.has(value)) return true;
  if (seen.has(value)) return false;
  seen.add(value);
  around.add(value);
  const found = Object.values(value).some((item) => hasCycle(item, around, seen));
  around.delete(value);
  return found;
}

/** Parsers quote the file over many lines; the first line and the position say enough. */
function unreadable(error: unknown, file: string): PipelineError {
  const { filepath, mark, reason } = error as { filepath?: string; mark?: { line: number; column: number }; reason?: string };
  const place = `${filepath ?? file}${mark === undefined ? '' : `:${mark.line + 1}:${mark.column + 1}`}`;
  const [firstLine = ''] = (reason ?? errorMessage(error)).split('\n');
  return new PipelineError('PH_CONFIG_UNREADABLE', firstLine.replace(/^JSON Error in [^:]*:$/, 'the JSON is not valid'), {
    place,
    cause: error,
  });
}
