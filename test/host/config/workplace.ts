import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';
import {
  definePlugin,
  defineTopic,
  defineWorker,
  done,
  FaultList,
  isPipelineError,
  OpenObject,
  type PipelineError,
  Secret,
  Type,
} from '@pipeline-host/sdk';
import { type ConfigRequest, type LoadedConfig, loadConfig } from '../../../host/src/config/load.ts';

/** A folder for each test of a file, and what is done in it. */
export function useFolder() {
  let folder = '';
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), 'ph-config-'));
  });
  afterEach(() => rm(folder, { recursive: true, force: true }));
  return {
    path: (name = '') => join(folder, name),
    write: (name: string, text: string): Promise<void> => writeFile(join(folder, name), text),
    load: (request: Partial<ConfigRequest> = {}): Promise<LoadedConfig> => loadConfig({ cwd: folder, env: {}, ...request }),
  };
}

/** What is refused, one by one. */
export async function faultsOf(loading: Promise<unknown> | (() => unknown)): Promise<readonly PipelineError[]> {
  try {
    await (typeof loading === 'function' ? loading() : loading);
  } catch (error) {
    if (error instanceof FaultList) return error.faults;
    assert.ok(isPipelineError(error), String(error));
    return [error];
  }
  return assert.fail('nothing was refused');
}

const message = defineTopic('events.raw', Type.Object({}), { key: () => null });

/** A plugin with settings, a topic and a worker, by its name. */
export const plugins = new Map([
  [
    'weather',
    definePlugin({
      name: 'weather',
      config: Type.Object({
        allowedHosts: Type.Array(Type.String(), { default: ['a.test'] }),
        api: Type.Object({ token: Type.Optional(Secret()) }, { default: {} }),
        labels: OpenObject({ default: {} }),
        since: Type.Optional(Type.String({ format: 'date' })),
      }),
      topics: [message],
      workers: { 'row-writer': defineWorker({ consumes: message, handle: () => done() }) },
    }),
  ],
]);
