#!/usr/bin/env node
// Runs on any Node that knows modules, so that an old one finds a newer instead of failing on syntax. Keep it that plain.
// biome-ignore-start lint/style/useNodejsImportProtocol: an old Node does not know the prefix
import { spawn } from 'child_process';
import { existsSync, readFileSync } from 'fs';
import * as modules from 'module';
import { dirname, join } from 'path';
import { fileURLToPath } from 'url';

// biome-ignore-end lint/style/useNodejsImportProtocol: as above

/** Set for a process that another one of us started: see host/src/cli/relayed-signals.ts. */
const RELAYED = 'PIPELINE_HOST_RELAYED';
const launcher = fileURLToPath(import.meta.url);

function isOld(version) {
  const [major, minor] = version.split('.').map(Number);
  return major < 22 || (major === 22 && minor < 18);
}

/** The npm package `node` in a node_modules above this file or the working folder, where it is new enough. */
function newerNode() {
  for (const start of [dirname(launcher), process.cwd()]) {
    for (let folder = start, last = ''; folder !== last; last = folder, folder = dirname(folder)) {
      const found = nodeIn(join(folder, 'node_modules', 'node'));
      if (found !== undefined) return found;
    }
  }
  return undefined;
}

function nodeIn(root) {
  try {
    if (isOld(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version)) return undefined;
  } catch {
    return undefined;
  }
  return [join(root, 'bin', 'node'), join(root, 'bin', 'node.exe')].find((file) => existsSync(file));
}

/** Does all by another Node, as if this process were it: streams, signals, exit. */
function runWith(node) {
  const child = spawn(node, process.execArgv.concat(launcher, process.argv.slice(2)), {
    stdio: ['inherit', 'inherit', 'inherit', 'ipc'],
    env: Object.assign({}, process.env, { [RELAYED]: '1' }),
  });
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'];
  let hears = false;
  child.on('message', (message) => {
    hears = message.hears;
  });
  const relay = (signal) => {
    if (!hears) child.kill(signal);
    // Without the channel it is ending already.
    else if (child.connected) child.send(signal, () => {});
  };
  for (const signal of signals) process.on(signal, relay);
  child.on('error', (error) => refuse(`, and ${node} does not start: ${error.message}`));
  child.on('exit', (code, signal) => {
    if (signal === null) process.exit(code);
    for (const each of signals) process.removeListener(each, relay);
    process.kill(process.pid, signal);
  });
}

function refuse(more) {
  console.error(`PH_NODE_VERSION: this is Node ${process.versions.node}, pipeline-host needs 22.18 or newer${more}`);
  console.error(`  at ${process.execPath}`);
  console.error('  fix: run with Node 22.18 or newer: npm install node@24');
  process.exit(3);
}

function run() {
  const options = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS || ''}`;
  const fromSource = options.indexOf('@pipeline-host/source') !== -1;
  const main = new URL(fromSource ? '../src/cli/main.ts' : '../dist/cli/main.js', import.meta.url);
  if (!existsSync(main)) {
    console.error(`PH_NOT_BUILT: ${main.pathname} does not exist`);
    console.error('  fix: npm run build');
    process.exit(3);
  }
  // What was compiled once is read from a cache in the folder for temporary files (or NODE_COMPILE_CACHE) from the next start on.
  modules.enableCompileCache();
  void import(main.href);
}

if (isOld(process.versions.node)) {
  const node = process.env[RELAYED] === undefined ? newerNode() : undefined;
  if (node === undefined) refuse('');
  else runWith(node);
} else {
  run();
}
