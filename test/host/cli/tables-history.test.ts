import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { block, column, type Lake, openLake } from '../delta/delta-fixture.ts';
import { makeWorkplace, runCommand, type Workplace } from './command-line.ts';

let place: Workplace;
let lake: Lake;
before(async () => {
  place = makeWorkplace();
  lake = await openLake();
});
after(async () => {
  await lake.close();
  place.remove();
});

const history = (table: string, ...more: readonly string[]) =>
  runCommand(['tables', 'history', join(lake.folder, 'tables', table), ...more], { cwd: place.folder });

describe('pipeline-host tables history', () => {
  it('lists versions with time, operation, metrics and writer, the newest first', async () => {
    const table = await lake.create('orders', [column('id', 'long')]);
    await table.append(block([{ id: 1 }, { id: 2 }]));
    await table.append(block([{ id: 3 }]));
    const { code, stdout, stderr } = await history('orders');
    assert.equal(code, 0, stderr);
    const [header = '', newest = '', before = '', first = ''] = stdout.split('\n');
    assert.match(header, /^VERSION +TIME +OPERATION +METRICS +WHO$/);
    assert.match(newest, /^ +2 +\d{4}-\d\d-\d\dT[\d:.]+Z +WRITE +.*numOutputRows=1\b.* pipeline-host/);
    assert.match(before, /^ +1 .* WRITE +.*numOutputRows=2\b/);
    assert.match(first, /^ +0 .* CREATE TABLE/);

    const limited = await history('orders', '--limit', '1', '--json');
    const [entry, ...others] = JSON.parse(limited.stdout) as { version: number; commit: { operation: string } }[];
    assert.deepEqual([entry?.version, entry?.commit.operation, others.length], [2, 'WRITE', 0]);
  });

  it('lists what other writers say or leave unsaid, of a table whose rows we cannot read', async () => {
    mkdirSync(join(lake.folder, 'tables/foreign/_delta_log'), { recursive: true });
    const commit = { commitInfo: { operation: 'MERGE', timestamp: 0, userName: 'ada', engineInfo: 'Spark' } };
    await lake.write('foreign/_delta_log/00000000000000000000.json', '{"protocol":{"minReaderVersion":99,"minWriterVersion":99}}\n');
    await lake.write('foreign/_delta_log/00000000000000000001.json', `${JSON.stringify(commit)}\n`);
    const { stdout } = await history('foreign');
    assert.match(stdout, /1 +1970-01-01T00:00:00\.000Z +MERGE +- +ada, Spark\n +0 +- +- +- +-\n$/);
  });

  it('refuses a folder without a table', async () => {
    const { code, stderr } = await history('nowhere');
    assert.equal(code, 2);
    assert.match(stderr, /PH_DELTA_ABSENT/);
  });
});
