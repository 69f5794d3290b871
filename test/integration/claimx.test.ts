import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { fileURLToPath } from 'node:url';
import { createLogger } from '../../host/src/observability/logger.ts';
import { type ApiWorld, openApiWorld } from '../claimx/api-world.ts';
import { mediaAnswer, PROJECT, projectAnswer, taskAnswer, videoAnswer } from '../claimx/samples.ts';
import { unique, until } from '../host/kafka/contract-kit.ts';
import { brokerMissing, openTestBroker, type TestBroker } from './brokers.ts';
import { openPipeline, type Pipeline } from './pipeline.ts';

const CLAIMX = fileURLToPath(new URL('../../plugins/claimx', import.meta.url));
const WORKERS = ['ingester', 'enricher', 'downloader', 'uploader', 'result-processor', 'event-writer', 'entity-writer'];
const PICTURE = 'as good as a picture';

/** The API and the media server hold one project with all that events can be about. */
function answerAll(api: ApiWorld): void {
  api.answer(`GET /export/project/${PROJECT}`, { json: projectAnswer });
  api.answer(`GET /export/project/${PROJECT}/media`, () => ({
    json: [{ ...mediaAnswer[0], fullDownloadLink: `${api.origin}/p/roof_01.jpg?X-Amz-Signature=s3cret` }],
  }));
  api.answer('GET /p/roof_01.jpg', { text: PICTURE, headers: { 'content-type': 'image/jpeg' } });
  api.answer('GET /customTasks/assignment/7741025?full=true', { json: taskAnswer });
  api.answer('POST /data', { json: videoAnswer });
}

const about = (event_type: string, subject: object = {}) => ({
  event_type,
  project_id: PROJECT,
  ingested_at: '2026-01-05T10:00:00Z',
  ...subject,
});
const EVENTS = [
  about('PROJECT_CREATED'),
  about('PROJECT_MFN_ADDED', { master_file_name: '04XQ7PK' }),
  about('PROJECT_FILE_ADDED', { media_id: 88231190 }),
  about('CUSTOM_TASK_ASSIGNED', { task_assignment_id: '7741025' }),
  about('POLICYHOLDER_INVITED'),
  about('VIDEO_COLLABORATION_COMPLETED', { video_collaboration_id: '30099' }),
  about('PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL'),
  about('PROJECT_ARCHIVED'),
  about('PROJECT_FILE_ADDED', { media_id: 404 }),
];

describe('claimx from event to tables', { skip: brokerMissing() }, () => {
  let broker: TestBroker;
  before(async () => {
    broker = await openTestBroker();
  });
  after(() => broker.close());

  /** The plugin on the broker, against an API that the test answers for. */
  const open = (api: ApiWorld): Promise<Pipeline> =>
    openPipeline({
      brokers: broker.brokers,
      plugin: 'claimx',
      root: CLAIMX,
      settings: {
        prefix: unique('claimx'),
        config: {
          api: {
            baseUrl: api.baseUrl,
            token: '${env:CLAIMX_TOKEN}',
            senderUsername: 'reports@example.test',
            privateRanges: ['127.0.0.1/32'],
          },
          allowedHosts: [new URL(api.baseUrl).host],
          schemes: ['http'],
          privateRanges: ['127.0.0.1/32'],
        },
        workers: Object.fromEntries(
          ['entity-writer', 'event-writer', 'result-processor'].map((name) => [name, { flush: { age: '200ms' } }]),
        ),
      },
      env: { CLAIMX_TOKEN: 'dXNlcjpzM2NyZXQ=' },
    });
  const publish = async (pipeline: Pipeline, events: readonly object[] = EVENTS) => {
    const topic = pipeline.worker('ingester').consumes?.topic ?? '';
    const producer = await pipeline.producer();
    await Promise.all(events.map((event, index) => producer.send({ topic, key: String(index), value: JSON.stringify(event) })));
  };

  it('every event has its rows, every file is stored, and what cannot be is a dead letter', async () => {
    await using api = await openApiWorld();
    answerAll(api);
    await using pipeline = await open(api);
    const host = await pipeline.start({ workers: WORKERS });
    await publish(pipeline);
    await pipeline.untilThrough({ workers: WORKERS });

    const { rows, files, deadLetters } = pipeline.results();
    const [project, ...others] = await rows('claimx_projects', ['project_id', 'primary_email', 'master_file_name', 'xa_autolink_fail']);
    assert.deepEqual(
      [project, others],
      [{ project_id: PROJECT, primary_email: 'rosa.ibarra@example.test', master_file_name: '04XQ7PK', xa_autolink_fail: true }, []],
    );
    const counts = async (table: string, column: string) => (await rows(table, [column])).length;
    assert.deepEqual(
      {
        events: await counts('claimx_events', 'trace_id'),
        contacts: await counts('claimx_contacts', 'contact_email'),
        media: await counts('claimx_attachment_metadata', 'media_id'),
        tasks: await counts('claimx_tasks', 'assignment_id'),
        templates: await counts('claimx_task_templates', 'task_id'),
        links: await counts('claimx_external_links', 'link_id'),
        videos: await counts('claimx_video_collab', 'video_collaboration_id'),
        attachments: await counts('claimx_attachments', 'media_id'),
      },
      { events: 9, contacts: 2, media: 1, tasks: 1, templates: 1, links: 1, videos: 1, attachments: 1 },
    );
    const statuses = (await rows('claimx_event_log', ['status'])).map(({ status }) => String(status));
    assert.deepEqual(
      statuses.toSorted((a, b) => a.localeCompare(b)),
      ['failed', 'skipped', ...Array.from({ length: 7 }, () => 'success')],
    );
    assert.deepEqual(
      (await files()).map(({ path, bytes }) => [path, bytes]),
      [[`${PROJECT}/media/roof_01.jpg`, PICTURE.length]],
    );
    assert.deepEqual(
      (await deadLetters()).map(({ worker, code }) => [worker, code]),
      [['enricher', 'CLAIMX_MEDIA_MISSING']],
    );
    for (const { id, counts: of } of host.status().units) assert.equal(of.received, of.done + of.skipped + of.retried + of.dead, id);
  });

  it('waits while the API refuses the token, burns no attempt, and goes on when it takes it again', async () => {
    await using api = await openApiWorld();
    let revoked = true;
    api.answer('GET /export', () => (revoked ? { status: 401 } : { json: projectAnswer }));
    await using pipeline = await open(api);
    const host = await pipeline.start({ workers: ['ingester', 'enricher', 'entity-writer'], log: createLogger({ level: 'silent' }) });
    await publish(pipeline, [about('PROJECT_CREATED'), about('POLICYHOLDER_JOINED')]);
    const enricher = () => host.status().units.find(({ id }) => id.endsWith('enricher'));
    await until('the enricher to pause', () => enricher()?.state.kind === 'paused');
    revoked = false;
    await pipeline.untilThrough({ workers: ['ingester', 'enricher', 'entity-writer'] });
    const log = await pipeline.results().rows('claimx_event_log', ['attempt', 'status']);
    assert.deepEqual(
      log.map(({ attempt, status }) => [attempt, status]),
      [
        [1, 'success'],
        [1, 'success'],
      ],
    );
    assert.deepEqual(await pipeline.deadLetters(), []);
  });
});
