import { readFileSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { errorMessage, PipelineError } from '@pipeline-host/sdk';
import type { Environment } from './environment.ts';
import { isPlainObject } from './setting-path.ts';

/** `${env:NAME}` and `${file:path}`; a doubled dollar sign keeps the text as it is. */
const REFERENCE = /\$?\$\{(env|file):([^}]*)\}/g;

/** Whether a setting is, or holds, a text that refers to a variable or a file. */
export function hasReference(value: unknown): boolean {
  if (typeof value === 'string') return value.search(REFERENCE) !== -1;
  if (Array.isArray(value)) return value.some(hasReference);
  return isPlainObject(value) && Object.values(value).some(hasReference);
}

export interface ReferenceContext {
  readonly env: Environment;
  /** Folder that file references are relative to. */
  readonly folder: string;
  /** Where the setting stands, for the error. */
  readonly place: string;
}

/** A secret, a certificate chain: nothing that a config refers to is larger. */
const MAX_FILE_BYTES = 1024 * 1024;

/**
 * A setting with its references replaced, in texts at any depth. The content of a file loses one line break at its end.
 *
 * @throws PipelineError `PH_CONFIG_SECRET`; its message names the variable or file, never a value
 */
export function resolveReferences(value: unknown, context: ReferenceContext): unknown {
  if (typeof value === 'string') {
    return value.replaceAll(REFERENCE, (text, kind: string, name: string) =>
      text.startsWith('$$') ? text.slice(1) : resolveReference(kind, name.trim(), context),
    );
  }
  if (Array.isArray(value)) return value.map((item) => resolveReferences(item, context));
  if (isPlainObject(value)) return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, resolveReferences(item, context)]));
  return value;
}

function resolveReference(kind: string, name: string, { env, folder, place }: ReferenceContext): string {
  if (kind === 'env') {
    const value = env[name];
    if (value !== undefined && value !== '') return value;
    throw new PipelineError('PH_CONFIG_SECRET', `environment variable ${name} is ${value === undefined ? 'not set' : 'empty'}`, {
      place,
      hint: `set ${name} before the start`,
    });
  }
  const file = resolve(folder, name);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats !== undefined && (!stats.isFile() || stats.size > MAX_FILE_BYTES)) {
    throw new PipelineError(
      'PH_CONFIG_SECRET',
      `${file} is ${stats.isFile() ? `larger than ${MAX_FILE_BYTES} bytes` : 'no regular file'}`,
      {
        place,
        hint: 'name a file that holds the value and nothing else',
      },
    );
  }
  try {
    return readFileSync(file, 'utf8').replace(/\r?\n$/, '');
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === 'ENOENT' ? 'there is no such file' : errorMessage(error).split(',')[0];
    throw new PipelineError('PH_CONFIG_SECRET', `cannot read ${file}: ${reason}`, {
      place,
      hint: 'create the file, or mend the path; it is relative to the config file',
      cause: error,
    });
  }
}
