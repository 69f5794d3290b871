import assert from 'node:assert/strict';
import { cp, mkdir, readFile, rm, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { AuthError, TransientError, UnavailableError } from '@pipeline-host/sdk';
import fc from 'fast-check';
import { DeltaTable } from '../../../host/src/delta/index.ts';
import type { ObjectStore } from '../../../host/src/storage/index.ts';
import { block, boundStore, coded, column, type Lake, openLake } from './delta-fixture.ts';

let lake: Lake;
before(async () => {
  lake = await openLake();
});
after(() => lake.close());

const COLUMNS = [column('id'), column('n', 'long')];
const tables = (...path: readonly string[]) => join(lake.folder, 'tables', ...path);
const version = (number: number) => String(number).padStart(20, '0');

function create(store: ObjectStore, name: string, columns = COLUMNS): Promise<DeltaTable> {
  return DeltaTable.open(lake.engine, store, name, { create: { name, columns, partitionBy: [] }, addColumns: true });
}

/** What lies below a table, with its bytes. */
async function content(name: string): Promise<ReadonlyMap<string, string>> {
  const files = await lake.store.list(name);
  return new Map(await Promise.all(files.map(async ({ path }) => [path, await readFile(tables(path), 'latin1')] as const)));
}

/** A store that counts what is written, and of which one call of one kind fails. */
function failing(
  kind: 'list' | 'names' | 'get' | 'stat' | 'putIfAbsent',
  call: number,
  error: Error,
): ObjectStore & { readonly written: () => number } {
  let calls = 0;
  let written = 0;
  const store = boundStore(lake.store);
  const fail = <T>(of: string, work: () => Promise<T>): Promise<T> => {
    if (of === kind) calls += 1;
    return of === kind && calls === call ? Promise.reject(error) : work();
  };
  const write = <T>(work: () => Promise<T>): Promise<T> => {
    written += 1;
    return work();
  };
  return {
    ...store,
    list: (path) => fail('list', () => store.list(path)),
    names: (path) => fail('names', () => store.names(path)),
    get: (path) => fail('get', () => store.get(path)),
    stat: (path) => fail('stat', () => store.stat(path)),
    put: (path, body, options) => write(() => store.put(path, body, options)),
    putIfAbsent: (path, body, options) => fail('putIfAbsent', () => write(() => store.putIfAbsent(path, body, options))),
    written: () => written,
  };
}

const FAULTS = [
  new AuthError('PH_STORAGE_DENIED', 'answered 403'),
  new UnavailableError('PH_STORAGE_UNREACHABLE', 'no answer in time'),
  new TransientError('PH_STORAGE_FAILED', 'answered 500'),
  new Error('socket hang up'),
];

suite('a table is made only where its log is provably absent:', () => {
  test('not where a look fails, whichever look and for whatever reason', async () => {
    await (await lake.create('there', COLUMNS)).append(block([{ id: 'a', n: 1 }]));
    const before = await content('there');
    for (const error of FAULTS) {
      for (const [name, kind, call] of [
        ['there', 'names', 1],
        ['there', 'get', 1],
        ['there', 'get', 2],
        ['absent', 'names', 1],
        ['absent', 'list', 1],
      ] as const) {
        const store = failing(kind, call, error);
        await assert.rejects(create(store, name), (thrown: unknown) => thrown === error, `${name}: ${kind} ${call}: ${error.message}`);
        assert.equal(store.written(), 0);
      }
    }
    assert.deepEqual(await content('there'), before);
    assert.equal((await content('absent')).size, 0);
    assert.equal((await create(lake.store, 'absent')).version, 0);
  });

  test('not twice where the answer to its first commit is lost, stored or not', async () => {
    for (const isStored of [true, false]) {
      const name = `lost-answer-${isStored}`;
      const store: ObjectStore = {
        ...boundStore(lake.store),
        putIfAbsent: async (path, body, options) => {
          if (isStored) await lake.store.putIfAbsent(path, body, options);
          throw new UnavailableError('PH_STORAGE_UNREACHABLE', 'no answer in time');
        },
      };
      if (isStored) assert.equal((await create(store, name)).version, 0);
      else await assert.rejects(create(store, name), coded('PH_STORAGE_UNREACHABLE'));
      assert.equal((await create(lake.store, name)).version, 0);
    }
  });

  test('not where another process was first, whose table is held against the definition', async () => {
    const first: ObjectStore = {
      ...boundStore(lake.store),
      putIfAbsent: async (path, body, options) => {
        await lake.create('others', [column('id'), column('n', 'string')]);
        return await lake.store.putIfAbsent(path, body, options);
      },
    };
    await assert.rejects(create(first, 'others'), coded('PH_DELTA_SCHEMA'));
    assert.equal((await lake.open('others')).columns[1]?.type, 'string');
  });

  test('not over half a log, whatever half', async () => {
    const log =
      (name: string, ...files: readonly (readonly [file: string, text: string])[]) =>
      async () => {
        await mkdir(tables(name, '_delta_log'), { recursive: true });
        for (const [file, text] of files) await writeFile(tables(name, '_delta_log', file), text);
      };
    const protocol = '{"protocol":{"minReaderVersion":1,"minWriterVersion":2}}\n';
    const cases: readonly (readonly [name: string, code: string, arrange: () => Promise<unknown>])[] = [
      ['empty-commit', 'PH_DELTA_LOG_DAMAGED', log('empty-commit', [`${version(0)}.json`, ''])],
      ['torn-commit', 'PH_DELTA_LOG_DAMAGED', log('torn-commit', [`${version(0)}.json`, '{"protocol":{"minRea'])],
      ['no-metadata', 'PH_DELTA_LOG_DAMAGED', log('no-metadata', [`${version(0)}.json`, protocol])],
      ['no-first', 'PH_DELTA_LOG_DAMAGED', log('no-first', [`${version(1)}.json`, protocol])],
      ['hint-alone', 'PH_DELTA_LOG_DAMAGED', log('hint-alone', ['_last_checkpoint', '{"version":10,"size":3}'])],
      ['checksum-alone', 'PH_DELTA_LOG_DAMAGED', log('checksum-alone', [`${version(0)}.crc`, '{}'])],
      ['temporary-alone', 'PH_DELTA_LOG_DAMAGED', log('temporary-alone', [`.${version(0)}.json.4711.tmp`, protocol])],
      ['half-checkpoint', 'PH_DELTA_LOG_DAMAGED', log('half-checkpoint', [`${version(9)}.checkpoint.0000000001.0000000002.parquet`, 'x'])],
      ['torn-checkpoint', 'PH_DELTA_LOG_DAMAGED', log('torn-checkpoint', [`${version(9)}.checkpoint.parquet`, 'PAR1'])],
      ['rows-alone', 'PH_DELTA_FOLDER_TAKEN', () => lake.store.put('rows-alone/day=1/part-0.parquet', Buffer.from('PAR1'))],
      [
        'log-is-a-file',
        'PH_STORAGE_PATH',
        async () => {
          await mkdir(tables('log-is-a-file'), { recursive: true });
          await writeFile(tables('log-is-a-file', '_delta_log'), '');
        },
      ],
      [
        'link-to-nowhere',
        'PH_STORAGE_PATH',
        async () => {
          await mkdir(tables('link-to-nowhere'), { recursive: true });
          await symlink(join(lake.folder, 'nowhere'), tables('link-to-nowhere', '_delta_log'));
        },
      ],
    ];
    for (const [name, code, arrange] of cases) {
      await arrange();
      const before = await content(name);
      await assert.rejects(create(lake.store, name), coded(code), name);
      assert.deepEqual(await content(name), before, name);
    }
  });

  test('not over a log of which any files are gone, cut or empty', async () => {
    const whole = await lake.create('whole', COLUMNS);
    for (let n = 0; n < 3; n += 1) await whole.append(block([{ id: String(n), n }]));
    await whole.checkpoint();
    await whole.append(block([{ id: 'last', n: 3 }]));
    const files = (await lake.store.list('whole/_delta_log')).map(({ path }) => path.slice('whole/'.length));
    const damage = fc.constantFrom('none', 'gone', 'cut', 'empty');
    let run = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(damage, { minLength: files.length, maxLength: files.length }), async (damages) => {
        run += 1;
        const name = `damaged-${run}`;
        await cp(tables('whole'), tables(name), { recursive: true });
        for (const [at, file] of files.entries()) {
          const path = tables(name, file);
          if (damages[at] === 'gone') await rm(path);
          if (damages[at] === 'empty') await truncate(path, 0);
          if (damages[at] === 'cut') await truncate(path, 20);
        }
        const before = await content(name);
        const opened = await create(lake.store, name).catch((error: unknown) => {
          assert.ok(
            ['PH_DELTA_LOG_DAMAGED', 'PH_DELTA_FOLDER_TAKEN'].some((code) => coded(code)(error)),
            String(error),
          );
          return null;
        });
        assert.deepEqual(await content(name), before);
        // What is opened is the table, at its newest version unless that is gone without a trace.
        if (opened !== null) assert.equal(await opened.count(), opened.version);
      }),
      { numRuns: 30 },
    );
  });
});
