/**
 * Runs the plugin as a user would: starts its workers, publishes the readings, waits for the alarms in their table, stops.
 * Everything lies in a folder that is removed afterwards.
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const here = import.meta.dirname;
const data = mkdtempSync(join(tmpdir(), 'thermostat-'));
const common = ['--plugin', here, '--data', data];
const pipelineHost = (...args: readonly string[]): string =>
  execFileSync('pipeline-host', [...args, ...common], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });

const host = spawn('pipeline-host', [...common, '--log-level', 'warn'], { stdio: ['ignore', 'pipe', 'inherit'] });
try {
  await once(host.stdout, 'data');
  process.stdout.write(pipelineHost('publish', 'thermostat.readings', join(here, 'readings.ndjson')));
  await untilAlarms(2);
  process.stdout.write(pipelineHost('tables', 'show', 'thermostat_alarms'));
} finally {
  host.kill('SIGTERM');
  if (host.exitCode === null) await once(host, 'exit');
  rmSync(data, { recursive: true, force: true });
}

/** Two rooms are too hot, however often. */
async function untilAlarms(expected: number): Promise<void> {
  const deadline = Date.now() + 30_000;
  for (;;) {
    const tables = JSON.parse(pipelineHost('tables', '--json')) as readonly { readonly table: string; readonly rows: number | null }[];
    if (tables.find(({ table }) => table === 'thermostat_alarms')?.rows === expected) return;
    if (Date.now() > deadline) throw new Error(`thermostat_alarms did not get its ${expected} rows: ${JSON.stringify(tables)}`);
    await new Promise((resolve) => setTimeout(resolve, 500));
  }
}
