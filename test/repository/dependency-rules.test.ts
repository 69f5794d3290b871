import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, rm, symlink, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';

const repository = fileURLToPath(new URL('../../', import.meta.url));
const rulesFile = join(repository, '.dependency-cruiser.cjs');

/** Files that break one rule each: where, what they import, and the rule that must name them. */
const canaries: readonly { readonly file: string; readonly imports: string; readonly rule: string; readonly typeOnly?: true }[] = [
  { file: 'plugins/canary/src/uses-host.ts', imports: 'pipeline-host', rule: 'plugin-imports-only-the-sdk' },
  { file: 'plugins/canary/src/uses-other-plugin.ts', imports: '@pipeline-host/plugin-other', rule: 'plugin-imports-only-the-sdk' },
  { file: 'plugins/canary/src/reaches-other-plugin.ts', imports: '../../other/src/index.ts', rule: 'plugin-imports-only-the-sdk' },
  {
    file: 'plugins/canary/src/types-of-other-plugin.ts',
    imports: '../../other/src/index.ts',
    rule: 'plugin-imports-only-the-sdk',
    typeOnly: true,
  },
  { file: 'plugins/canary/src/uses-testing.ts', imports: 'pipeline-host/testing', rule: 'plugin-imports-only-the-sdk' },
  {
    file: 'plugins/canary/simulation/uses-host.ts',
    imports: '../../../host/src/version.ts',
    rule: 'simulation-imports-only-the-sdk-and-testing',
  },
  { file: 'plugins/canary/simulation/uses-host-package.ts', imports: 'pipeline-host', rule: 'simulation-imports-only-the-sdk-and-testing' },
  {
    file: 'plugins/canary/simulation/reaches-for-testing.ts',
    imports: '../../../host/src/testing/index.ts',
    rule: 'plugin-imports-the-sdk-by-its-name',
  },
  { file: 'plugins/canary/src/reaches-into-sdk.ts', imports: '../../../sdk/src/topic.ts', rule: 'plugin-imports-only-the-sdk' },
  { file: 'plugins/canary/src/reaches-for-sdk.ts', imports: '../../../sdk/src/index.ts', rule: 'plugin-imports-the-sdk-by-its-name' },
  { file: 'plugins/canary/src/undeclared.ts', imports: 'fastify', rule: 'declared-in-package-json' },
  { file: 'plugins/canary/src/lost.ts', imports: './nowhere.ts', rule: 'resolvable' },
  { file: 'plugins/canary/src/tested.ts', imports: '../../../test/canary.ts', rule: 'source-imports-no-test' },
  { file: 'host/src/engine/canary-plugin.ts', imports: '@pipeline-host/plugin-other', rule: 'host-and-sdk-know-no-plugin' },
  { file: 'host/src/engine/canary-sdk.ts', imports: '../../../sdk/src/index.ts', rule: 'host-imports-the-sdk-by-its-name' },
  { file: 'sdk/src/canary-host.ts', imports: 'pipeline-host', rule: 'sdk-stands-alone' },
  { file: 'sdk/src/canary-npm.ts', imports: 'undici', rule: 'sdk-stands-alone' },
  { file: 'sdk/src/canary-plugin.ts', imports: '../../plugins/other/src/index.ts', rule: 'host-and-sdk-know-no-plugin' },
  { file: 'host/src/engine/canary-up.ts', imports: '../cli/canary.ts', rule: 'host-engine-looks-down' },
  { file: 'host/src/engine/canary-admin.ts', imports: '../admin/canary.ts', rule: 'host-engine-looks-down' },
  { file: 'host/src/engine/canary-kafkajs.ts', imports: 'kafkajs', rule: 'kafkajs-only-in-kafka' },
  { file: 'host/src/storage/canary-duckdb.ts', imports: '@duckdb/node-api', rule: 'duckdb-only-in-delta' },
  { file: 'host/src/kafka/canary-broker.ts', imports: '../embedded/canary.ts', rule: 'embedded-is-for-cli-and-testing' },
  { file: 'host/src/engine/canary-testing.ts', imports: '../testing/canary.ts', rule: 'nothing-imports-testing' },
  { file: 'host/src/http/canary-a.ts', imports: './canary-b.ts', rule: 'no-cycles' },
  ...['admin', 'supervisor'].map((layer) => ({
    file: `host/src/${layer}/canary-up.ts`,
    imports: '../cli/canary.ts',
    rule: `host-${layer}-looks-down`,
  })),
  ...['plugins', 'retry', 'dlq', 'kafka', 'delta', 'storage', 'eventhouse', 'http', 'azure', 'config', 'observability', 'embedded'].map(
    (layer) => ({
      file: `host/src/${layer}/canary-up.ts`,
      imports: '../engine/canary.ts',
      rule: `host-${layer}-looks-down`,
    }),
  ),
  { file: 'host/src/delta/canary-http.ts', imports: '../http/canary.ts', rule: 'host-delta-looks-down' },
  { file: 'host/src/testing/canary-cli.ts', imports: '../cli/canary.ts', rule: 'host-testing-looks-down' },
  { file: 'host/src/cli/canary-testing.ts', imports: '../testing/canary.ts', rule: 'host-cli-looks-down' },
];

/** What the canaries import: harmless files that break no rule themselves. */
const targets = [
  'plugins/other/src/index.ts',
  'test/canary.ts',
  ...['cli', 'admin', 'engine', 'http', 'embedded', 'testing'].map((layer) => `host/src/${layer}/canary.ts`),
];

interface Cruise {
  readonly modules: readonly { readonly source: string; readonly dependencies: readonly { readonly resolved: string }[] }[];
  readonly summary: {
    readonly violations: readonly { readonly from: string; readonly rule: { readonly name: string } }[];
    readonly ruleSetUsed: unknown;
  };
}

let tree: string;
let cruise: Cruise;

before(async () => {
  tree = await mkdtemp(join(tmpdir(), 'dependency-rules-'));
  await copyWorkspaces();
  for (const target of targets) await write(target, 'export const canary = 1;\n');
  for (const { file, imports, typeOnly } of canaries) {
    await write(
      file,
      `import ${typeOnly ? 'type ' : ''}* as seen from '${imports}';\nexport ${typeOnly ? 'type Seen = typeof seen' : '{ seen }'};\n`,
    );
  }
  await write('host/src/http/canary-b.ts', "export * from './canary-a.ts';\n");
  cruise = await runDependencyCruiser();
});

after(() => rm(tree, { recursive: true, force: true }));

for (const { file, imports, rule } of canaries) {
  test(`${rule} refuses ${file} importing ${imports}`, () => {
    const named = cruise.summary.violations.filter(({ from }) => from === file).map((violation) => violation.rule.name);
    assert.ok(named.includes(rule), `dependency-cruiser says of ${file}: ${named.join(', ') || 'nothing'}`);
  });
}

test('every rule has a canary', async () => {
  const rules: { readonly forbidden: readonly { readonly name: string }[] } = createRequire(import.meta.url)(rulesFile);
  const proven = new Set(canaries.map(({ rule }) => rule));
  assert.deepEqual(
    rules.forbidden.map(({ name }) => name).filter((name) => !proven.has(name)),
    [],
  );
});

test('the edges between the parts are seen, so that the rules have something to judge', () => {
  const edges = (from: RegExp, to: RegExp) =>
    cruise.modules
      .filter(({ source }) => from.test(source) && !source.includes('canary'))
      .flatMap(({ dependencies }) => dependencies.filter(({ resolved }) => to.test(resolved))).length;
  const least: readonly [RegExp, RegExp, number][] = [
    [/^plugins\/xact\/src\//, /^sdk\/src\/index\.ts$/, 12],
    [/^host\/src\//, /^sdk\/src\/index\.ts$/, 40],
    [/^host\/src\/engine\//, /^host\/src\/kafka\//, 8],
    [/^host\/src\/engine\//, /^host\/src\/plugins\//, 5],
    [/^host\/src\/kafka\//, /node_modules\/kafkajs\//, 5],
    [/^sdk\/src\//, /node_modules\/@sinclair\/typebox/, 5],
  ];
  for (const [from, to, count] of least) {
    assert.ok(edges(from, to) >= count, `${String(from)} → ${String(to)}: ${edges(from, to)} imports seen, at least ${count} expected`);
  }
});

/** The sources as they are now, beside links to the installed packages: workspace links must lead into the copy. */
async function copyWorkspaces(): Promise<void> {
  for (const name of ['package.json', 'sdk', 'host', 'plugins', 'tsconfig.json']) {
    await cp(join(repository, name), join(tree, name), { recursive: true, filter: (path) => !/[/\\](dist|node_modules)$/.test(path) });
  }
  const manifest = (name: string, workspace: string) =>
    write(
      `${workspace}/package.json`,
      JSON.stringify({ name, version: '0.1.0', type: 'module', exports: { '.': { '@pipeline-host/source': './src/index.ts' } } }),
    );
  await manifest('@pipeline-host/plugin-canary', 'plugins/canary');
  await manifest('@pipeline-host/plugin-other', 'plugins/other');
  const workspaces: Readonly<Record<string, string>> = {
    'pipeline-host': 'host',
    '@pipeline-host/sdk': 'sdk',
    '@pipeline-host/plugin-canary': 'plugins/canary',
    '@pipeline-host/plugin-other': 'plugins/other',
  };
  for (const [name, folder] of Object.entries(workspaces)) await link(join(tree, folder), name);
  const installed = await readdir(join(repository, 'node_modules'));
  for (const name of installed) {
    if (name !== '@pipeline-host' && name !== 'pipeline-host') await link(join(repository, 'node_modules', name), name);
  }
}

async function runDependencyCruiser(): Promise<Cruise> {
  const cli = join(repository, 'node_modules/dependency-cruiser/bin/dependency-cruise.mjs');
  const output = await new Promise<string>((resolve, reject) => {
    execFile(
      process.execPath,
      [cli, '--config', rulesFile, '--output-type', 'json', 'sdk/src', 'host/src', 'plugins'],
      { cwd: tree, maxBuffer: 64 * 1024 * 1024 },
      (error, stdout, stderr) => (stdout.startsWith('{') ? resolve(stdout) : reject(new Error(stderr, { cause: error }))),
    );
  });
  return JSON.parse(output);
}

async function link(target: string, name: string): Promise<void> {
  const place = join(tree, 'node_modules', name);
  await mkdir(dirname(place), { recursive: true });
  await symlink(target, place);
}

async function write(file: string, text: string): Promise<void> {
  await mkdir(dirname(join(tree, file)), { recursive: true });
  await writeFile(join(tree, file), text);
}
