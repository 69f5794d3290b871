import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, it } from 'node:test';
import { definitionKind, type SourceMessage } from '@pipeline-host/sdk';
import { Value } from '@sinclair/typebox/value';
import { checkContent, checkContentType } from '../../host/src/http/file-types.ts';
import { CAUSES } from '../../plugins/xact/simulation/attachments.ts';
import { CONTENT_TYPES, contentOf, type FileKind } from '../../plugins/xact/simulation/content.ts';
import { generateEvents, type PlannedEvent } from '../../plugins/xact/simulation/events.ts';
import simulation from '../../plugins/xact/simulation/index.ts';
import { ALLOWED_FILE_TYPES } from '../../plugins/xact/src/file-types.ts';
import plugin, { XactConfig } from '../../plugins/xact/src/index.ts';
import { openLake } from '../host/delta/delta-fixture.ts';
import { quietLog } from '../host/http/fixture.ts';
import { Line } from './line.ts';
import { openWorkerKit } from './worker-kit.ts';

const take = (seed: number, count: number): PlannedEvent[] => generateEvents(seed, 'http://127.0.0.1:8080').take(count).toArray();

function digestOf(messages: readonly SourceMessage[]): string {
  const hash = createHash('sha256');
  for (const { key, value } of messages) hash.update(`${key}\n`).update(value).update('\n');
  return hash.digest('hex');
}

describe('the xact simulation', () => {
  it('sends the same bytes for the same seed, and others for another', () => {
    const bytes = (seed: number) => digestOf(take(seed, 500).map((event) => event.message));
    assert.equal(bytes(7), bytes(7));
    assert.notEqual(bytes(7), bytes(8));
  });

  it('has the sizes and shapes of real events in its default run', () => {
    const events = take(1, 3_000);
    const attachments = events.flatMap((event) => event.attachments);
    const size = events.reduce((sum, { message }) => sum + Buffer.byteLength(message.value), 0) / events.length;
    assert.ok(size > 1_000 && size < 1_400, `${size} bytes an event`);
    assert.ok(attachments.length > 800 && attachments.length < 1_100, `${attachments.length} attachments`);
    const behaviours = new Set(attachments.map((attachment) => attachment.behaviour));
    assert.deepEqual([...behaviours].sort(), Object.keys(CAUSES).sort());
    assert.ok(events.filter((event) => !event.valid).length >= 10);
  });

  it('serves files that are what their names say', async () => {
    for (const kind of Object.keys(CONTENT_TYPES) as FileKind[]) {
      for (const size of [2_000, 30_000]) {
        const body = contentOf(kind, `/export/${size}.${kind}`, size);
        assert.ok(Math.abs(body.length - size) < size / 2 + 300, `${kind} of ${body.length} bytes`);
        assert.deepEqual(body, contentOf(kind, `/export/${size}.${kind}`, size));
        checkContentType(`a.${kind}`, CONTENT_TYPES[kind], { types: ALLOWED_FILE_TYPES });
        const readAt = async (position: number, length: number) => body.subarray(position, position + length);
        await checkContent(`a.${kind}`, body.subarray(0, 4_100), readAt, { types: ALLOWED_FILE_TYPES });
      }
    }
  });

  it('adds up when its events have gone through all workers', async () => {
    const running = await simulation.start({ seed: 3, messages: 420, log: quietLog });
    const lake = await openLake();
    try {
      const { config } = running.config as { readonly config: object };
      await using kit = await openWorkerKit(config);
      const line = await Line.open(kit, lake);
      const sums = await running.sums(await line.run(running.messages()));
      assert.deepEqual(
        sums.filter((sum) => sum.expected !== sum.actual),
        [],
      );
      assert.ok(
        sums.every((sum) => sum.expected > 0 || sum.name.includes('nobody')),
        JSON.stringify(sums),
      );
      assert.ok(line.statuses.includes('completed') && line.statuses.includes('failed_permanent'));
    } finally {
      await lake.close();
      await running.stop();
    }
  });

  it('does not add up when rows, files or dead letters are missing', async () => {
    const running = await simulation.start({ seed: 3, messages: 420, log: quietLog });
    try {
      for await (const _ of running.messages()) void _;
      const nothing = { rows: async () => [], deadLetters: async () => [], files: async () => [{ path: 'stray', bytes: 1, sha256: '' }] };
      const wrong = (await running.sums(nothing)).filter((sum) => sum.expected !== sum.actual);
      assert.ok(wrong.length >= 6, JSON.stringify(wrong));
    } finally {
      await running.stop();
    }
  });
});

describe('the xact plugin', () => {
  it('is a plugin whose config may be absent', () => {
    assert.equal(definitionKind(plugin), 'plugin');
    assert.equal(definitionKind(simulation), 'simulation');
    const config = Value.Default(XactConfig, {}) as XactConfig;
    assert.ok(Value.Check(XactConfig, config));
    assert.deepEqual([config.schemes, config.pathScheme, config.keepUrlQuery], [['https'], 'reference', false]);
    assert.ok(!Value.Check(XactConfig, { ...config, alowedHosts: [] }));
    assert.deepEqual(Object.keys(plugin.workers).sort(), ['downloader', 'event-writer', 'ingester', 'result-processor', 'uploader']);
  });
});
