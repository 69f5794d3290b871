import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { answer } from '../../host/src/testing/index.ts';
import { entitiesRows, eventsRaw } from '../../plugins/claimx/src/index.ts';
import { decode } from './messages.ts';
import { PROJECT, projectAnswer, taskAnswer } from './samples.ts';
import { enricherAsking, eventOf } from './testing.ts';

const at = '2026-01-05T10:00:00Z';

describe('an id of 0 is none', () => {
  it('in a row of the source: the other name of the field counts', () => {
    const event = decode(eventsRaw, {
      event_id: 0,
      eventId: 'cx-evt-9',
      event_type: 'PROJECT_FILE_ADDED',
      project_id: 0,
      projectId: 5512034,
      ingested_at: at,
      media_id: '0',
      mediaId: 88231190,
      task_assignment_id: 0,
    });
    const { trace_id, project_id, media_id, task_assignment_id } = event;
    assert.deepEqual([trace_id, project_id, media_id, task_assignment_id], ['cx-evt-9', '5512034', '88231190', null]);
  });

  it('and an event of project 0 is of none', () => {
    assert.throws(() => decode(eventsRaw, { event_type: 'PROJECT_CREATED', project_id: 0, ingested_at: at }), {
      code: 'PH_MESSAGE_INVALID',
    });
  });

  it("in the answer for a task, like one that is no number: link and contact have the event's", async () => {
    for (const assignmentId of [0, '0', 'none', null]) {
      await using asking = await enricherAsking({
        'GET /customTasks/assignment/:id': () => answer.json({ ...taskAnswer, assignmentId }),
        'GET /export/project/:id': () => answer.json(projectAnswer),
      });
      const { sentTo } = await asking.worker.handle(eventOf({ event_type: 'CUSTOM_TASK_ASSIGNED', task_assignment_id: '7741025' }));
      const [rows] = sentTo(entitiesRows);
      const linked = rows?.contacts.filter(({ task_assignment_id }) => task_assignment_id !== undefined);
      assert.deepEqual(
        [rows?.project_id, rows?.tasks, rows?.external_links.map((link) => link.assignment_id)],
        [PROJECT, [], [7741025]],
        `assignmentId ${JSON.stringify(assignmentId)}`,
      );
      assert.ok(linked?.some(({ task_assignment_id }) => task_assignment_id === 7741025));
    }
  });
});
