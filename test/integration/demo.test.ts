import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { DemoSummary } from '../../host/src/cli/demo/summary.ts';
import { firstOutput, makeWorkplace, outcomeOf, startCommand, type Workplace } from '../host/cli/command-line.ts';

const XACT = fileURLToPath(new URL('../../plugins/xact', import.meta.url));
const CLAIMX = fileURLToPath(new URL('../../plugins/claimx', import.meta.url));
const ENTITY_TABLES = [
  'claimx_projects',
  'claimx_contacts',
  'claimx_attachment_metadata',
  'claimx_tasks',
  'claimx_task_templates',
  'claimx_external_links',
  'claimx_video_collab',
];

describe('pipeline-host demo', () => {
  let place: Workplace;
  before(() => {
    place = makeWorkplace();
  });
  after(() => place.remove());

  it('holds the rows of claimx against what its API holds, table by table', async () => {
    const args = ['demo', '--plugin', CLAIMX, '--data', 'claimx', '--events', '200', '--json'];
    const { code, stdout, stderr } = await outcomeOf(startCommand(args, { cwd: place.folder }), 110_000);
    assert.equal(code, 0, stderr);
    const { plugins } = JSON.parse(stdout) as DemoSummary;
    assert.deepEqual(
      plugins.map(({ plugin }) => plugin),
      ['claimx'],
    );
    const sums = plugins.flatMap((plugin) => plugin.sums);
    assert.deepEqual(
      sums.filter(({ holds }) => !holds),
      [],
    );
    const compared = sums.flatMap(({ name, expected }) =>
      /what the API holds/.test(name) && expected > 0 ? name.match(/claimx_\w+/g) : [],
    );
    assert.deepEqual(new Set(compared), new Set(ENTITY_TABLES));
    for (const about of [
      /rows of claimx_events/,
      /events in claimx_event_log/,
      /dead letters of enricher/,
      /stored files with the content/,
    ])
      assert.ok(
        sums.some(({ name }) => about.test(name)),
        String(about),
      );
  });

  for (const [signal, exitCode] of [
    ['SIGINT', 130],
    ['SIGTERM', 143],
  ] as const) {
    it(`stops cleanly on ${signal}, with the exit code of that signal`, async () => {
      const demo = startCommand(['demo', '--plugin', XACT, '--data', signal, '--events', '20000'], { cwd: place.folder });
      const end = outcomeOf(demo);
      await firstOutput(demo, /[1-9][0-9,]* published/, 'stderr');
      demo.kill(signal);
      const { code, stderr } = await end;
      assert.equal(code, exitCode, stderr);
    });
  }
});
