import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

/** The version of the SDK that this host runs. */
export const SDK_VERSION: string = (
  JSON.parse(readFileSync(fileURLToPath(import.meta.resolve('@pipeline-host/sdk/package.json')), 'utf8')) as { version: string }
).version;
