import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeWorkplace, runCommand, type Workplace, weatherPlugin } from './command-line.ts';

let place: Workplace;
before(() => {
  place = makeWorkplace();
});
after(() => place.remove());

const explain = (...more: readonly string[]) =>
  runCommand(['tables', 'explain', 'weather_warm', '--plugin', 'weather', ...more], { cwd: place.folder });

test('tables explain tells where the columns of a table by data come from', async () => {
  place.install('weather', {
    code: weatherPlugin({
      'column, defineTable,': 'column, defineTable, firstOf, text,',
      'rows: (reading) => ({ weather_warm: [reading] })': "columns: { sensor: firstOf(text('sensor')) }",
      "key: ['sensor'] }":
        "key: ['sensor'], partitionBy: ['sensor'], aliases: { sensor: ['probe'] }, columns: { celsius: 'always' }, updateWhen: { distinct: ['celsius'] }, deletionVectors: false }",
    }),
  });
  const { code, stdout, stderr } = await explain();
  assert.equal(code, 0, stderr);
  assert.equal(
    stdout,
    `table      weather_warm  (plugin weather, merge on sensor)
partition  sensor
vectors    no deletion vectors
updates    where celsius is distinct from what is stored
writer     weather.writer by columns, from topic weather.warm

COLUMN           TYPE    NULL  MERGE   FROM
sensor or probe  string  no    key     first of sensor
celsius          double  yes   always  - (never written)
`,
  );
});

test('tables explain names the writer of a table by rows, and its default policies', async () => {
  place.install('weather');
  const { code, stdout, stderr } = await explain('--json');
  assert.equal(code, 0, stderr);
  assert.deepEqual(JSON.parse(stdout), {
    table: 'weather_warm',
    plugin: 'weather',
    mode: 'merge',
    key: ['sensor'],
    partitionBy: [],
    deletionVectors: true,
    updateWhen: null,
    writers: [{ worker: 'weather.writer', topic: 'weather.warm', by: 'rows()' }],
    columns: [
      { name: 'sensor', type: 'string', nullable: false, aliases: [], merge: 'key', sources: { 'weather.writer': 'writer by rows()' } },
      {
        name: 'celsius',
        type: 'double',
        nullable: true,
        aliases: [],
        merge: 'keepOldWhenNull',
        sources: { 'weather.writer': 'writer by rows()' },
      },
    ],
  });
});
