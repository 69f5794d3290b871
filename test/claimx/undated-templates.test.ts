import assert from 'node:assert/strict';
import { it } from 'node:test';
import { testWorker } from '../../host/src/testing/index.ts';
import plugin from '../../plugins/claimx/src/index.ts';
import { entityWriter } from '../../plugins/claimx/src/writers/entity-writer.ts';
import { PROJECT } from './samples.ts';
import { config } from './testing.ts';

it('a template that the API gives no date for is written each time, and as it is known once it has one', async () => {
  await using tested = testWorker(entityWriter, { plugin, config });
  const write = async (name: string, modified_date: string | null) => {
    await tested.handle({
      trace_id: 'cx-evt-1',
      event_type: null,
      project_id: PROJECT,
      task_templates: [{ task_id: 3301, name, modified_date }],
    });
    const [stored] = await tested.rows('claimx_task_templates');
    return stored?.['name'];
  };
  const date = '2025-11-30T09:00:00+00:00';
  assert.equal(await write('first', null), 'first');
  assert.equal(await write('second', null), 'second');
  assert.equal(await write('dated', date), 'dated');
  assert.equal(await write('the same', date), 'dated');
});
