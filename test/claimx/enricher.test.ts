import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { RecordOptions } from '../../host/src/testing/index.ts';
import { downloadsPending } from '../../plugins/claimx/src/index.ts';
import { answerAll, created, failureOf, file, logOf, rowsOf, task, unmarked, video } from './enriching.ts';
import { LINK, mediaAnswer, PROJECT, projectAnswer, TRACE, taskAnswer, videoAnswer } from './samples.ts';
import { openWorkers, sent } from './workers.ts';

const projectColumns = {
  project_id: PROJECT,
  project_number: 'PN-7781',
  master_file_name: '04XQ7PK',
  secondary_number: null,
  status: 'Active',
  created_date: '2026-01-04T18:00:00+00:00',
  date_of_loss: '2026-01-02T00:00:00+00:00',
  type_of_loss: 'Hail',
  cause_of_loss: 'Storm',
  loss_description: 'Roof and gutters',
  customer_first_name: 'Rosa',
  customer_last_name: 'Ibarra',
  street1: '12 Elm Ct',
  city: 'Austin',
  state_province: 'TX',
  zip_postcode: '78701',
  primary_email: 'rosa.ibarra@example.test',
  primary_phone: '5125550182',
  custom_attribute1: 'A1',
  custom_attribute2: null,
  custom_attribute3: null,
};

describe('each event type becomes its rows', () => {
  it('PROJECT_CREATED: the project as a full image, its policyholder and its team', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [outcome] = await kit.enrich([created]);
    const rows = rowsOf(outcome);
    assert.deepEqual(rows.projects.map(unmarked), [projectColumns]);
    const today = rows.contacts[0]?.created_date;
    assert.match(today ?? '', /^\d{4}-\d{2}-\d{2}$/);
    assert.deepEqual(rows.contacts.map(unmarked), [
      {
        project_id: PROJECT,
        contact_email: 'rosa.ibarra@example.test',
        contact_type: 'POLICYHOLDER',
        first_name: 'Rosa',
        last_name: 'Ibarra',
        phone_number: '5125550182',
        phone_country_code: 1,
        is_primary_contact: true,
        created_date: today,
      },
      {
        project_id: PROJECT,
        contact_email: 'adjuster.one@example.test',
        contact_type: 'CLAIM_REP',
        is_primary_contact: true,
        master_file_name: '04XQ7PK',
        created_date: today,
      },
    ]);
    assert.deepEqual(
      [rows.trace_id, rows.project_id, rows.event_type, rows.projects[0]?.trace_id, rows.contacts[0]?.trace_id],
      [TRACE, PROJECT, 'PROJECT_CREATED', TRACE, TRACE],
    );
    assert.deepEqual(sent(outcome, downloadsPending), []);
  });

  it('PROJECT_MFN_ADDED: the project; the name of the event where the API has none yet', async () => {
    await using kit = await openWorkers();
    const name = async (mfn: unknown) => {
      const { data } = projectAnswer;
      kit.api.answer('GET /export/project', { json: { ...data, project: { ...data.project, mfn } } });
      const [outcome] = await kit.enrich([{ event_type: 'PROJECT_MFN_ADDED', master_file_name: 'TOLD' }]);
      return rowsOf(outcome).projects[0]?.master_file_name;
    };
    assert.equal(await name(null), 'TOLD');
    assert.equal(await name('NEWER'), 'NEWER', 'the API was asked after the event, which a newer one may have overtaken');
  });

  it('PROJECT_FILE_ADDED: metadata, project and a download', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const [outcome] = await kit.enrich([file]);
    const rows = rowsOf(outcome);
    assert.deepEqual(rows.media.map(unmarked), [
      {
        media_id: '88231190',
        project_id: PROJECT,
        task_assignment_id: null,
        file_type: 'jpg',
        file_name: 'roof_01.jpg',
        media_description: 'Roof north slope',
        media_comment: null,
        latitude: '30.2672',
        longitude: '-97.7431',
        gps_source: 'DEVICE',
        taken_date: '2026-01-04',
        full_download_link: LINK,
        expires_at: '2026-01-05T11:00:04Z',
      },
    ]);
    assert.equal(rows.projects.length, 1);
    assert.deepEqual(sent(outcome, downloadsPending), [
      {
        media_id: '88231190',
        project_id: PROJECT,
        download_url: LINK,
        blob_path: `${PROJECT}/media/roof_01.jpg`,
        file_type: 'jpg',
        file_name: 'roof_01.jpg',
        trace_id: TRACE,
        retry_count: 0,
        expires_at: '2026-01-05T11:00:04Z',
        refresh_count: 0,
        metadata: null,
      },
    ]);
  });

  it('CUSTOM_TASK_*: task, template, link and its addressee', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const rows = rowsOf((await kit.enrich([task]))[0]);
    assert.deepEqual(rows.tasks.map(unmarked), [
      {
        assignment_id: 7741025,
        task_id: 3301,
        project_id: PROJECT,
        assignee_id: 210,
        assignor_id: 88,
        date_assigned: '2026-01-05T10:03:00+00:00',
        date_completed: null,
        status: 'ASSIGNED',
        stp_enabled: true,
        mfn: '04XQ7PK',
      },
    ]);
    assert.deepEqual(rows.task_templates.map(unmarked), [
      {
        task_id: 3301,
        comp_id: 12,
        name: 'Contents inventory',
        description: null,
        form_id: 'frm-19',
        form_name: 'Contents',
        enabled: true,
        is_default: false,
        is_manual_delivery: false,
        is_external_link_delivery: true,
        provide_portal_access: true,
        notify_assigned_send_recipient: true,
        notify_assigned_send_recipient_sms: false,
        notify_assigned_subject: 'Task for you',
        notify_task_completed: true,
        notify_completed_subject: 'Done',
        allow_resubmit: true,
        auto_generate_pdf: false,
        modified_by: 'admin@example.test',
        modified_by_id: 1,
        modified_date: '2025-11-30T09:00:00+00:00',
      },
    ]);
    assert.deepEqual(rows.external_links.map(unmarked), [
      {
        link_id: 66012,
        assignment_id: 7741025,
        project_id: PROJECT,
        link_code: 'ZX9-11',
        url: 'https://claimx.example.test/l/ZX9-11',
        notification_access_method: 'EMAIL',
        country_id: 1,
        state_id: 44,
        accessed_count: 0,
      },
    ]);
    assert.equal(rows.contacts.length, 3);
    assert.deepEqual(unmarked(rows.contacts[2]), {
      project_id: PROJECT,
      contact_email: 'rosa.ibarra@example.test',
      contact_type: 'POLICYHOLDER',
      first_name: 'Rosa',
      last_name: 'Ibarra',
      phone_number: '5125550182',
      phone_country_code: 1,
      task_assignment_id: 7741025,
      created_date: rows.contacts[2]?.created_date,
    });
    assert.equal(rows.projects.length, 1);
  });

  it('POLICYHOLDER_*: project and contacts as they are now', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    for (const event_type of ['POLICYHOLDER_INVITED', 'POLICYHOLDER_JOINED']) {
      const rows = rowsOf((await kit.enrich([{ event_type }]))[0]);
      assert.deepEqual([rows.projects.map(unmarked), rows.contacts.length], [[projectColumns], 2]);
    }
  });

  it('VIDEO_COLLABORATION_*: the collaboration and the project', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const rows = rowsOf((await kit.enrich([video]))[0]);
    assert.deepEqual(rows.video_collab.map(unmarked), [
      {
        video_collaboration_id: 30099,
        claim_id: 5512034,
        mfn: '04XQ7PK',
        claim_number: 'CLM-88120',
        policy_number: 'POL-42',
        email_user_name: 'adjuster.one@example.test',
        claim_rep_first_name: 'Ari',
        claim_rep_last_name: 'Cole',
        claim_rep_full_name: 'Ari Cole',
        number_of_videos: 2,
        number_of_photos: 9,
        number_of_viewers: 1,
        session_count: 1,
        total_time_seconds: '754.25',
        total_time: '12m 34s',
        created_date: '2026-01-05T11:00:00+00:00',
        live_call_first_session: '2026-01-05T11:20:00+00:00',
        live_call_last_session: '2026-01-05T11:33:00+00:00',
        company_id: 12,
        company_name: 'Example Mutual',
        guid: '1c7b',
      },
    ]);
    assert.equal(rows.projects.length, 1);
  });

  it('PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL: what the event says and nothing else, at the time of the event, without asking', async () => {
    await using kit = await openWorkers();
    const event = { event_type: 'PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL', ingested_at: '2026-01-05T09:59:00Z' };
    const rows = rowsOf((await kit.enrich([event]))[0]);
    assert.deepEqual(rows.projects.map(unmarked), [
      { project_id: PROJECT, xa_autolink_fail: true, xa_autolink_fail_at: '2026-01-05T09:59:00Z' },
    ]);
    assert.deepEqual([rows.contacts, kit.api.asked], [[], []]);
  });

  it('an unknown type is skipped, counted by its name and logged', async () => {
    await using kit = await openWorkers();
    const [outcome] = await kit.enrich([{ event_type: 'PROJECT_ARCHIVED' }, created]);
    assert.equal(outcome?.outcome, 'skipped');
    assert.equal(kit.tested.metrics.count('events_unknown', { event_type: 'PROJECT_ARCHIVED' }), 1);
    assert.partialDeepStrictEqual(logOf(outcome), { status: 'skipped', event_type: 'PROJECT_ARCHIVED', attempt: 1, api_calls: null });
  });
});

describe('events of one batch', () => {
  const media = (...ids: readonly number[]) => ids.map((mediaID) => ({ ...mediaAnswer[0], mediaID, mediaName: `${mediaID}.jpg` }));
  const files = (...ids: readonly number[]) => ids.map((id) => ({ ...file, media_id: String(id), trace_id: `t-${id}` }));

  it('ask once for up to five media of a project, by id, and once for the project', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer(`GET /export/project/${PROJECT}/media`, { json: media(1, 2, 3) });
    const outcomes = await kit.enrich(files(1, 2, 3));
    assert.deepEqual([...kit.api.lines()].sort(), [
      `GET /export/project/${PROJECT}`,
      `GET /export/project/${PROJECT}/media?mediaIds=1%2C2%2C3`,
    ]);
    assert.deepEqual(
      outcomes.map((outcome) => rowsOf(outcome).media[0]?.media_id),
      ['1', '2', '3'],
    );
    assert.deepEqual(
      outcomes.map((outcome) => rowsOf(outcome).projects.length),
      [1, 0, 0],
      'one of them carries the project',
    );
    assert.deepEqual(
      outcomes.map((outcome) => logOf(outcome)?.api_calls),
      [2, 0, 0],
    );
  });

  it('leave out of the request they share an id that the API would refuse, and write each as a number', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer(`GET /export/project/${PROJECT}/media`, { json: media(1, 2) });
    const tooLong = { ...file, media_id: '123456789012345678901234567890', trace_id: 't-long' };
    const [long, ...others] = await kit.enrich([tooLong, ...files(1), { ...file, media_id: '02', trace_id: 't-2' }]);
    assert.ok(kit.api.lines().includes(`GET /export/project/${PROJECT}/media?mediaIds=1%2C2`));
    assert.deepEqual(
      others.map((outcome) => rowsOf(outcome).media[0]?.media_id),
      ['1', '2'],
    );
    assert.partialDeepStrictEqual({ ...failureOf(long) }, { code: 'CLAIMX_EVENT_INVALID', kind: 'permanent' });
  });

  it('ask for all media of a project where they are about more', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer(`GET /export/project/${PROJECT}/media`, { json: media(1, 2, 3, 4, 5, 6, 7) });
    const outcomes = await kit.enrich(files(1, 2, 3, 4, 5, 6));
    assert.ok(kit.api.lines().includes(`GET /export/project/${PROJECT}/media`));
    assert.deepEqual(
      outcomes.map((outcome) => rowsOf(outcome).media.length),
      [1, 1, 1, 1, 1, 1],
      'each has its own row alone',
    );
  });

  it('fail alone: a medium that is missing, an id that is no number, a type that is unknown', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer(`GET /export/project/${PROJECT}/media`, { json: media(2) });
    const [missing, wrong, without, unknown, good] = await kit.enrich([
      ...files(1),
      { ...file, media_id: 'abc' },
      { ...file, media_id: null },
      { event_type: 'OTHER' },
      ...files(2),
    ]);
    assert.partialDeepStrictEqual({ ...failureOf(missing) }, { code: 'CLAIMX_MEDIA_MISSING', kind: 'permanent' });
    assert.partialDeepStrictEqual({ ...failureOf(wrong) }, { code: 'CLAIMX_EVENT_INVALID', kind: 'permanent' });
    assert.partialDeepStrictEqual({ ...failureOf(without) }, { code: 'CLAIMX_EVENT_INVALID', kind: 'permanent' });
    assert.equal(unknown?.outcome, 'skipped');
    assert.deepEqual([rowsOf(good).media.length, rowsOf(good).projects.length], [1, 1]);
  });

  it('fail together, and alone, where the API fails for their project', async () => {
    await using kit = await openWorkers();
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer('GET /export/project/1/media', { status: 500 });
    kit.api.answer('GET /export/project/2/media', { json: media(3) });
    const [first, second, other] = await kit.enrich([
      ...files(1, 2).map((event) => ({ ...event, project_id: '1' })),
      ...files(3).map((event) => ({ ...event, project_id: '2' })),
    ]);
    for (const failed of [first, second]) assert.equal(failureOf(failed).kind, 'transient');
    assert.equal(rowsOf(other).media.length, 1);
    assert.equal(kit.api.lines().filter((line) => line.includes('/1/media')).length, 3, 'the tries of one request');
  });
});

describe('the project is remembered', () => {
  it('only when its rows are acknowledged, and then spares other events the question', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    const projects = async (record?: RecordOptions) => rowsOf((await kit.enrich([file], record))[0]).projects.length;
    assert.equal(await projects({ acknowledged: false }), 1);
    assert.equal(await projects(), 1, 'nothing was acknowledged');
    assert.equal(await projects(), 0);
    const rows = rowsOf((await kit.enrich([task]))[0]);
    assert.deepEqual(
      rows.contacts.map(({ is_primary_contact }) => is_primary_contact),
      [undefined],
      'the policyholder stays primary',
    );
  });

  it('by no event that is about the project itself', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    await kit.enrich([created]);
    for (const event_type of ['PROJECT_CREATED', 'PROJECT_MFN_ADDED', 'POLICYHOLDER_INVITED', 'POLICYHOLDER_JOINED'])
      assert.equal(rowsOf((await kit.enrich([{ event_type }]))[0]).projects.length, 1, event_type);
  });

  it('no longer after a failure', async () => {
    await using kit = await openWorkers();
    answerAll(kit);
    await kit.enrich([file]);
    await kit.enrich([{ ...file, media_id: '1' }]);
    assert.equal(rowsOf((await kit.enrich([file]))[0]).projects.length, 1);
  });
});

describe('a task', () => {
  const answer = async (json: object, event: object = task) => {
    const kit = await openWorkers();
    answerAll(kit);
    kit.api.answer('GET /export/project', { json: projectAnswer });
    kit.api.answer('GET /customTasks/assignment/7741025?full=true', { json });
    const [outcome] = await kit.enrich([{ ...task, ...event }]);
    await kit[Symbol.asyncDispose]();
    return { outcome, lines: kit.api.lines() };
  };

  it('names the project that link, contact and message belong to; where it names none, the event does', async () => {
    const other = await answer({ ...taskAnswer, projectId: '0077' });
    assert.ok(other.lines.includes('GET /export/project/77'));
    assert.deepEqual([rowsOf(other.outcome).project_id, rowsOf(other.outcome).external_links[0]?.project_id], ['77', '77']);
    for (const [projectId, kept] of [
      [null, null],
      [0, '0'],
      ['p-7', 'p-7'],
    ]) {
      const { outcome, lines } = await answer({ ...taskAnswer, projectId });
      assert.ok(lines.includes(`GET /export/project/${PROJECT}`));
      const rows = rowsOf(outcome);
      assert.deepEqual([rows.project_id, rows.external_links[0]?.project_id, rows.tasks[0]?.project_id], [PROJECT, PROJECT, kept]);
    }
  });

  it('without template, link or ids has rows only for what there is', async () => {
    const bare = rowsOf((await answer({ ...taskAnswer, customTask: null, externalLinkData: null })).outcome);
    assert.deepEqual([bare.tasks.length, bare.task_templates, bare.external_links, bare.contacts.length], [1, [], [], 2]);
    const nameless = rowsOf(
      (
        await answer({
          ...taskAnswer,
          assignmentId: null,
          customTask: { ...taskAnswer.customTask, taskId: null },
          externalLinkData: { ...taskAnswer.externalLinkData, linkId: null, email: ' ' },
        })
      ).outcome,
    );
    assert.deepEqual([nameless.tasks, nameless.task_templates, nameless.external_links, nameless.contacts.length], [[], [], [], 2]);
  });

  it('in a data wrapper is found', async () => {
    assert.equal(rowsOf((await answer({ data: taskAnswer })).outcome).tasks.length, 1);
  });

  it('whose link went to somebody else than the policyholder names that person as not primary', async () => {
    const externalLinkData = { ...taskAnswer.externalLinkData, email: 'tenant@example.test', phone: null };
    const contact = rowsOf((await answer({ ...taskAnswer, externalLinkData })).outcome).contacts[2];
    assert.equal(contact?.is_primary_contact, false);
    assert.ok(contact !== undefined && !('phone_number' in contact), 'what the link does not say is left out');
  });

  it('with an id that is no number, or none, is dead at once', async () => {
    for (const task_assignment_id of ['T-7', '', null]) {
      const { outcome, lines } = await answer(taskAnswer, { task_assignment_id });
      assert.partialDeepStrictEqual({ ...failureOf(outcome) }, { code: 'CLAIMX_EVENT_INVALID', kind: 'permanent' });
      assert.deepEqual(lines, []);
    }
  });
});

describe('a video collaboration', () => {
  const [own] = videoAnswer.data;
  const other = { ...own, videoCollaborationId: 1, claimId: 999 };
  const found = async (json: unknown, event: object = video) => {
    await using kit = await openWorkers();
    answerAll(kit);
    kit.api.answer('POST /data', { json });
    const rows = rowsOf((await kit.enrich([{ ...video, ...event }]))[0]);
    return { ids: rows.video_collab.map(({ video_collaboration_id }) => video_collaboration_id), asked: kit.api.asked };
  };

  it('is found in every wrapper', async () => {
    for (const json of [
      [own],
      { data: own },
      { data: [own] },
      { collaborations: [own] },
      { collaborations: own },
      { videoCollaboration: own },
      { data: null, collaborations: [own] },
      own,
      { data: [null, own] },
    ])
      assert.deepEqual((await found(json)).ids, [30099], JSON.stringify(json));
  });

  it("is one of the event's project, by its id where there are several", async () => {
    assert.deepEqual((await found([other, { ...own, videoCollaborationId: 8 }, own])).ids, [30099]);
    assert.deepEqual((await found([other, own], { video_collaboration_id: null })).ids, [30099]);
    const twelfth = { ...own, videoCollaborationId: null, id: '12', claimId: PROJECT };
    assert.deepEqual((await found([own, twelfth], { video_collaboration_id: '012' })).ids, [12]);
    assert.deepEqual((await found([own, twelfth], { video_collaboration_id: '777' })).ids, [], 'not one of another event');
  });

  it('is asked for by span of time first, and by project and user', async () => {
    const { asked } = await found(videoAnswer);
    const bodies = asked.filter(({ method }) => method === 'POST').map(({ body }) => JSON.parse(body) as unknown);
    assert.deepEqual(bodies, [
      {
        reportType: 'VIDEO_COLLABORATION',
        projectId: 5512034,
        senderUsername: 'reports@example.test',
        startDate: '2025-10-07T00:00:00.000Z',
        endDate: '2026-01-07T00:00:00.000Z',
      },
    ]);
  });

  it('that the API does not have is no failure', async () => {
    for (const json of [[], { data: [] }, { data: null }, null]) {
      const { ids, asked } = await found(json);
      assert.deepEqual(ids, []);
      assert.equal(asked.filter(({ method }) => method === 'POST').length, 2, 'all of it is asked for as well');
    }
  });
});
