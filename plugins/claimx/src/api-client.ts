import { type HttpResponse, milliseconds, type ServiceContext } from '@pipeline-host/sdk';
import {
  type CustomTask,
  type Media,
  type ProjectAnswer,
  parseBody,
  readMedia,
  readProject,
  readTask,
  readVideos,
  type VideoCollaboration,
} from './api-responses.ts';
import type { ClaimXConfig } from './config.ts';

/** The ClaimX API, as far as it is asked. Ids are digits; each call is one request. */
export interface ClaimXApi {
  project(projectId: string, signal: AbortSignal): Promise<ProjectAnswer>;
  /** The media of a project: those that are named, or all. */
  media(projectId: string, mediaIds: readonly string[] | 'all', signal: AbortSignal): Promise<readonly Media[]>;
  task(assignmentId: string, signal: AbortSignal): Promise<CustomTask>;
  /** The video collaborations of a project, of a span of time or all; those of others may be among them. */
  videos(projectId: string, span: TimeSpan | null, signal: AbortSignal): Promise<readonly VideoCollaboration[]>;
}

/** ISO instants. */
export interface TimeSpan {
  readonly from: string;
  readonly to: string;
}

/** Made once a process: all workers share its limits. The token goes into a header and nowhere else. */
export function createClaimXApi({ config: { api: config }, http }: Pick<ServiceContext<ClaimXConfig>, 'config' | 'http'>): ClaimXApi {
  const api = http.api({
    name: 'claimx',
    baseUrl: config.baseUrl,
    headers: { authorization: `Basic ${config.token}`, accept: 'application/json', 'content-type': 'application/json' },
    privateRanges: config.privateRanges,
    timeout: milliseconds(config.timeout),
    concurrency: config.concurrency,
    ratePerSecond: config.ratePerSecond,
  });
  const body = ({ body, headers }: HttpResponse, place: string): unknown => parseBody(body, headers['content-type'], place);
  const get = async (path: string, query: Readonly<Record<string, string>>, signal: AbortSignal): Promise<unknown> =>
    body(await api.request({ path, query, signal }), path);
  return {
    async project(projectId, signal) {
      const path = `/export/project/${projectId}`;
      return readProject(await get(path, {}, signal), path);
    },
    async media(projectId, mediaIds, signal) {
      const path = `/export/project/${projectId}/media`;
      const answer = readMedia(await get(path, mediaIds === 'all' ? {} : { mediaIds: mediaIds.join(',') }, signal), path);
      return answer.filter((media) => media !== null);
    },
    async task(assignmentId, signal) {
      const path = `/customTasks/assignment/${assignmentId}`;
      return readTask(await get(path, { full: 'true' }, signal), path);
    },
    async videos(projectId, span, signal) {
      const path = '/data';
      const asked = { senderUsername: config.senderUsername, ...(span !== null && { startDate: span.from, endDate: span.to }) };
      // The digits as they are: a double might change them.
      const report = `{"reportType":"VIDEO_COLLABORATION","projectId":${projectId},${JSON.stringify(asked).slice(1)}`;
      const response = await api.request({ path, method: 'POST', body: report, repeatable: true, signal });
      return readVideos(body(response, path), path).filter((video) => video !== null);
    },
  };
}
