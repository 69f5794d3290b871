#!/usr/bin/env node
// Runs on any Node that knows modules, so that an old one is told instead of failing on syntax. Keep it that plain.
// biome-ignore lint/style/useNodejsImportProtocol: an old Node does not know the prefix
import { existsSync } from 'fs';

const version = process.versions.node.split('.').map(Number);
if (version[0] < 22 || (version[0] === 22 && version[1] < 18)) {
  console.error(`PH_NODE_VERSION: this is Node ${process.versions.node}, pipeline-host needs 22.18 or newer`);
  console.error(`  at ${process.execPath}`);
  console.error('  fix: run with Node 22.18 or newer: npm install node@24');
  process.exit(3);
}

const options = `${process.execArgv.join(' ')} ${process.env.NODE_OPTIONS || ''}`;
const fromSource = options.indexOf('@pipeline-host/source') !== -1;
const main = new URL(fromSource ? '../src/cli/main.ts' : '../dist/cli/main.js', import.meta.url);
if (!existsSync(main)) {
  console.error(`PH_NOT_BUILT: ${main.pathname} does not exist`);
  console.error('  fix: npm run build');
  process.exit(3);
}
void import(main.href);
