import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { block, column, type Lake, openLake } from '../delta/delta-fixture.ts';
import { makeWorkplace, type Outcome, outcomeOf, runCommand, startCommand, type Workplace } from './command-line.ts';

const ROWS = 300_000;

let place: Workplace;
let lake: Lake;
before(async () => {
  place = makeWorkplace();
  lake = await openLake();
  const table = await lake.create('orders', [column('id', 'long'), column('note')]);
  await table.append(block([{ id: '9007199254740993', note: 'first' }]));
  await table.append(block([{ id: 2, note: 'second' }]));
  const many = await lake.create('many', [column('id', 'long'), column('note')]);
  await many.append(block(Array.from({ length: ROWS }, (_, id) => ({ id, note: `note ${id} of an order that is longer than a word` }))));
});
after(async () => {
  await lake.close();
  place.remove();
});

const read = (table: string, ...more: readonly string[]): Promise<Outcome> =>
  runCommand(['tables', 'read', table.includes('/') ? table : join(lake.folder, 'tables', table), ...more], { cwd: place.folder });

async function linesOf(...args: Parameters<typeof read>): Promise<readonly unknown[]> {
  const { code, stdout, stderr } = await read(...args);
  assert.equal(code, 0, stderr);
  return stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
}

describe('pipeline-host tables read', () => {
  it('prints the rows of a folder, of a version, of some columns', async () => {
    const rows = await linesOf('orders');
    assert.equal(rows.length, 2);
    assert.deepEqual(await linesOf('orders', '--version', '1', '--columns', 'note,id'), [{ note: 'first', id: '9007199254740993' }]);
    assert.match((await read('orders', '--version', '1', '--columns', 'note,id')).stdout, /^{"note"/);
    assert.equal((await linesOf('orders', '--limit', '1')).length, 1);
    assert.equal((await linesOf('orders', '--limit', '0')).length, 0);
  });

  it('writes a file of lines or of Parquet, over the one that is there', async () => {
    const lines = join(place.folder, 'orders.ndjson');
    writeFileSync(lines, 'old');
    assert.equal((await read('many', '--out', lines)).code, 0);
    assert.equal(readFileSync(lines, 'utf8').trim().split('\n').length, ROWS);
    const parquet = join(place.folder, 'orders.parquet');
    assert.equal((await read('orders', '--format', 'parquet', '--out', parquet)).code, 0);
    const rows = await lake.engine.withConnection((connection) => connection.rows(`SELECT id, note FROM '${parquet}' ORDER BY id`));
    assert.deepEqual(rows, [
      ['2', 'second'],
      ['9007199254740993', 'first'],
    ]);
    assert.deepEqual(
      readdirSync(place.folder).filter((name) => name.endsWith('.partial')),
      [],
    );
  });

  it('ends quietly when its reader has gone, and leaves nothing behind', async () => {
    const temp = join(place.folder, 'temp');
    mkdirSync(temp);
    const child = startCommand(['tables', 'read', join(lake.folder, 'tables', 'many')], { cwd: place.folder, env: { TMPDIR: temp } });
    const end = outcomeOf(child);
    child.stdout?.once('data', () => child.stdout?.destroy());
    const { code, stderr } = await end;
    assert.deepEqual({ code, stderr }, { code: 0, stderr: '' });
    assert.deepEqual(
      readdirSync(temp).filter((name) => name.startsWith('pipeline-host-')),
      [],
    );
  });

  for (const [title, args, code, said] of [
    ['a column that is not there', ['orders', '--columns', 'nota'], 2, /PH_CLI_ARGUMENT: .* no column "nota"[\s\S]*did you mean "note"/],
    ['a version of the future', ['orders', '--version', '9'], 2, /PH_DELTA_VERSION: .*the newest is version 2/],
    ['Parquet on standard output', ['orders', '--format', 'parquet'], 2, /PH_CLI_ARGUMENT: [\s\S]*--out <file>/],
    ['a folder without a table', ['./nowhere'], 2, /PH_DELTA_ABSENT/],
  ] as const)
    it(`refuses ${title}`, async () => {
      const [table, ...more] = args;
      const outcome = await read(table, ...more);
      assert.equal(outcome.code, code);
      assert.match(outcome.stderr, said);
      assert.equal(outcome.stdout, '');
    });

  it('leaves the file as it was where the read fails', async () => {
    const kept = join(place.folder, 'kept.ndjson');
    writeFileSync(kept, 'old');
    assert.notEqual((await read('orders', '--version', '9', '--out', kept)).code, 0);
    assert.equal(readFileSync(kept, 'utf8'), 'old');
    assert.ok(!existsSync(`${kept}.partial`));
  });
});
