/**
 * Which part may import which. test/repository/dependency-rules.test.ts proves that every rule below bites.
 *
 * Packages are resolved through the condition `@pipeline-host/source`: by `dist` an import of another package's
 * built files would be invisible here, and the rules would pass without having looked.
 */

/** The layers of host/src, top to bottom: each may import itself, what stands beside it here, and the SDK. */
const ground = ['azure', 'config', 'observability', 'clock.ts', 'version.ts'];
const services = ['plugins', 'retry', 'dlq', 'kafka', 'delta', 'storage', 'eventhouse', 'http'];
const layers = {
  testing: ['embedded', 'supervisor', 'admin', 'engine', ...services, ...ground],
  cli: ['embedded', 'supervisor', 'admin', 'engine', ...services, ...ground],
  supervisor: ['admin', 'engine', ...services, ...ground],
  admin: ['engine', ...services, ...ground],
  engine: [...services, ...ground],
  plugins: [...ground],
  retry: ['kafka', ...ground],
  dlq: ['kafka', 'retry', 'storage', ...ground],
  kafka: [...ground],
  delta: ['storage'],
  storage: [...ground],
  eventhouse: ['http', ...ground],
  http: ['storage', ...ground],
  // The wire format is one, whoever speaks it.
  embedded: ['kafka', ...ground],
  azure: ['config', 'observability'],
  config: ['version.ts'],
  observability: ['config', 'version.ts'],
};

const layerRules = Object.entries(layers).map(([layer, below]) => ({
  name: `host-${layer}-looks-down`,
  comment: `host/src/${layer} may import ${below.join(', ')} and nothing else of the host.`,
  severity: 'error',
  from: { path: `^host/src/${layer}/` },
  to: { path: '^host/src/', pathNot: [layer, ...below].map((part) => `^host/src/${part}${part.endsWith('.ts') ? '$' : '/'}`) },
}));

/** An npm package that one folder of the host wraps, so that the rest never depends on it. */
const onlyImportedBy = (name, modules, owner) => ({
  name,
  comment: `Only ${owner} imports ${modules}: the rest of the host sees the port it offers.`,
  severity: 'error',
  from: { path: '^(sdk|host|plugins)/', pathNot: `^${owner}/` },
  to: { path: `(^|/)node_modules/${modules}/` },
});

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    {
      name: 'plugin-imports-only-the-sdk',
      comment: 'A plugin imports @pipeline-host/sdk and npm packages: not the host, not another plugin, nothing else of this repository.',
      severity: 'error',
      from: { path: '^plugins/([^/]+)/', pathNot: '^plugins/[^/]+/simulation/' },
      to: { pathNot: ['^plugins/$1/', '^sdk/src/index\\.ts$', '(^|/)node_modules/'], dependencyTypesNot: ['core'] },
    },
    {
      name: 'simulation-imports-only-the-sdk-and-testing',
      comment:
        "A plugin's simulation also imports pipeline-host/testing, by its name: its stand-ins are made of the same parts as those of tests.",
      severity: 'error',
      from: { path: '^plugins/([^/]+)/simulation/' },
      to: {
        pathNot: ['^plugins/$1/', '^sdk/src/index\\.ts$', '^host/src/testing/index\\.ts$', '(^|/)node_modules/'],
        dependencyTypesNot: ['core'],
      },
    },
    {
      name: 'plugin-imports-the-sdk-by-its-name',
      comment: 'A relative path into sdk/ works here and nowhere else: a published plugin has only the package.',
      severity: 'error',
      from: { path: '^plugins/' },
      to: { path: '^(sdk|host)/', dependencyTypes: ['local'] },
    },
    {
      name: 'host-imports-the-sdk-by-its-name',
      severity: 'error',
      from: { path: '^host/src/' },
      to: { path: '^sdk/', dependencyTypes: ['local'] },
    },
    {
      name: 'host-and-sdk-know-no-plugin',
      severity: 'error',
      from: { path: '^(host|sdk)/src/' },
      to: { path: '^plugins/' },
    },
    {
      name: 'sdk-stands-alone',
      comment: 'The SDK imports itself, TypeBox and what Node brings.',
      severity: 'error',
      from: { path: '^sdk/src/' },
      to: { pathNot: ['^sdk/src/', '(^|/)node_modules/@sinclair/typebox/'], dependencyTypesNot: ['core'] },
    },
    ...layerRules,
    {
      name: 'embedded-is-for-cli-and-testing',
      comment: 'The rest of the host knows Kafka by its protocol alone, so that embedded and real brokers are the same to it.',
      severity: 'error',
      from: { path: '^host/src/', pathNot: ['^host/src/(cli|testing|embedded)/'] },
      to: { path: '^host/src/embedded/' },
    },
    {
      name: 'nothing-imports-testing',
      severity: 'error',
      from: { path: '^(host/src|sdk/src|plugins/[^/]+/src)/', pathNot: ['^host/src/testing/'] },
      to: { path: '^host/src/testing/' },
    },
    onlyImportedBy('kafkajs-only-in-kafka', 'kafkajs', 'host/src/kafka'),
    onlyImportedBy('duckdb-only-in-delta', '@duckdb/[^/]+', 'host/src/delta'),
    {
      name: 'source-imports-no-test',
      severity: 'error',
      from: { path: '^(sdk|host|plugins)/' },
      to: { path: '^(test|examples)/' },
    },
    {
      name: 'no-cycles',
      severity: 'error',
      from: { path: '^(sdk|host|plugins|test|examples)/' },
      to: { circular: true },
    },
    {
      name: 'resolvable',
      severity: 'error',
      from: {},
      to: { couldNotResolve: true },
    },
    {
      name: 'declared-in-package-json',
      comment: 'What a published package imports stands in its own dependencies, not in the workspace root that happens to lie above it.',
      severity: 'error',
      from: { path: '^(sdk|host|plugins/[^/]+)/(src|simulation)/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'] },
    },
  ],
  options: {
    doNotFollow: { path: ['(^|/)node_modules/', '/dist/'] },
    exclude: { path: '/dist/' },
    tsPreCompilationDeps: true,
    combinedDependencies: false,
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['@pipeline-host/source', 'import', 'node', 'types', 'default'] },
  },
};
