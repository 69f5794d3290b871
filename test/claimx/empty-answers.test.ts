import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readMedia, readProject, readTask, readVideos } from '../../plugins/claimx/src/api-responses.ts';
import { mediaAnswer, projectAnswer, taskAnswer, videoAnswer } from './samples.ts';

const place = '/here';
const unreadable = { code: 'CLAIMX_API_RESPONSE', kind: 'transient' };
const [media] = mediaAnswer;
const [video] = videoAnswer.data;

describe('an answer of the API', () => {
  it('is in the wrapper that holds something, whatever empty ones stand beside', () => {
    for (const empty of [null, [], {}]) {
      assert.deepEqual(readMedia({ data: empty, media: [media] }, place), [media]);
      assert.deepEqual(readMedia({ media: empty, data: media }, place), [media]);
      assert.deepEqual(readVideos({ data: empty, collaborations: empty, videoCollaboration: video }, place), [video]);
    }
    assert.deepEqual(readMedia({ data: [], media: null }, place), []);
    assert.deepEqual(readVideos({ data: null }, place), []);
  });

  it('without a field is asked for again, and is not that there is nothing', () => {
    for (const empty of [{}, { data: {} }]) {
      assert.throws(() => readMedia(empty, place), unreadable);
      assert.throws(() => readTask(empty, place), unreadable);
      assert.throws(() => readVideos(empty, place), unreadable);
    }
    assert.throws(() => readTask(null, place), unreadable);
    assert.equal(readTask({ data: taskAnswer }, place).assignmentId, 7741025);
  });

  it('for a project that has none tells that it exists', () => {
    assert.deepEqual(readProject({ data: { teamMembers: [] } }, place), { teamMembers: [] });
    assert.equal(readProject(projectAnswer, place).project?.mfn, '04XQ7PK');
  });
});
