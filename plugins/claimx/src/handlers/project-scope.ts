import { isPipelineError } from '@pipeline-host/sdk';
import type { ClaimXApi } from '../api-client.ts';
import type { CustomTask, Media, ProjectAnswer, VideoCollaboration } from '../api-responses.ts';
import type { ClaimXConfig } from '../config.ts';
import { idText } from '../converters.ts';
import type { ProjectCache, ProjectFacts } from '../project-cache.ts';
import { projectContacts } from '../rows/contact-rows.ts';
import type { Stamp } from '../rows/image.ts';
import { primaryEmail, projectRow } from '../rows/project-row.ts';
import type { RowLists } from '../schemas/entity-rows.ts';
import { numericId } from './numeric-id.ts';

/** Up to so many media are asked for by id; for more the whole list of the project is one request as well, and shorter. */
const SELECTIVE = 5;

/** A project whose rows an event carries, and what may be remembered of it once they are acknowledged. */
export interface CarriedProject {
  readonly id: string;
  readonly facts: ProjectFacts;
}

/** What an event tells of its project. */
export interface ProjectPart {
  readonly rows: Partial<Pick<RowLists, 'projects' | 'contacts'>>;
  readonly facts: ProjectFacts;
  /** Null where no rows are needed. */
  readonly carried: CarriedProject | null;
}

export interface ProjectScopeOptions {
  readonly api: ClaimXApi;
  readonly cache: ProjectCache;
  readonly config: Pick<ClaimXConfig, 'pathScheme' | 'videoLookback'>;
  /** As the events have it. */
  readonly projectId: string;
  /** The media that the events of the batch are about. */
  readonly mediaIds: readonly string[];
  readonly signal: AbortSignal;
}

/**
 * What events of one project ask together: each thing is asked for once, after all of them have happened. An answer that
 * fails fails each event that wants it, and no other.
 */
export class ProjectScope {
  readonly #options: ProjectScopeOptions;
  readonly #answers = new Map<string, Promise<unknown>>();
  /** Projects whose rows another event of the batch carries. */
  readonly #carried = new Map<string, ProjectFacts>();
  #calls = 0;

  constructor(options: ProjectScopeOptions) {
    this.#options = options;
  }

  /** @throws PermanentError where it is none that the API takes */
  get projectId(): string {
    return numericId(this.#options.projectId, 'project_id');
  }
  get config(): ProjectScopeOptions['config'] {
    return this.#options.config;
  }
  /** Requests so far. */
  get calls(): number {
    return this.#calls;
  }

  /** Rows of the project as the API has it now. */
  async project(projectId: string, stamp: Stamp): Promise<ProjectPart> {
    const answer = await this.#once(`project ${projectId}`, ({ api, signal }) => api.project(projectId, signal));
    const facts = factsOf(answer);
    return {
      rows: { projects: [projectRow(answer, projectId, stamp)], contacts: projectContacts(answer, projectId, stamp) },
      facts,
      carried: { id: projectId, facts },
    };
  }

  /** The same, without rows where they were written lately or another event of the batch carries them. */
  async projectUnlessKnown(projectId: string, stamp: Stamp): Promise<ProjectPart> {
    const facts = this.#carried.get(projectId) ?? this.#options.cache.get(projectId);
    return facts === null ? this.project(projectId, stamp) : { rows: {}, facts, carried: null };
  }

  /** The event that carries these rows has succeeded: others need not. */
  carry({ id, facts }: CarriedProject): void {
    this.#carried.set(id, facts);
  }

  /** One of the batch's media; undefined where the project does not have it. Where the API refuses them together, each is asked for alone. */
  async media(mediaId: string): Promise<Media | undefined> {
    const { projectId } = this;
    const wanted = new Set(this.#options.mediaIds);
    const isSelective = wanted.size <= SELECTIVE && wanted.has(mediaId);
    const together = this.#once('media', ({ api, signal }) => api.media(projectId, isSelective ? [...wanted] : 'all', signal));
    const found = await together.catch((error: unknown) => {
      if (!isSelective || wanted.size === 1 || !isRefusal(error)) throw error;
      return this.#once(`media ${mediaId}`, ({ api, signal }) => api.media(projectId, [mediaId], signal));
    });
    return found.find(({ mediaID }) => idText(mediaID) === mediaId);
  }

  task(assignmentId: string): Promise<CustomTask> {
    return this.#once(`task ${assignmentId}`, ({ api, signal }) => api.task(assignmentId, signal));
  }

  /** The project's video collaborations of the span, or all of them. */
  async videos(span: Parameters<ClaimXApi['videos']>[1]): Promise<readonly VideoCollaboration[]> {
    const { projectId } = this;
    const report = await this.#once(`videos ${JSON.stringify(span)}`, ({ api, signal }) => api.videos(projectId, span, signal));
    return report.filter(({ claimId }) => idText(claimId) === projectId);
  }

  #once<T>(what: string, ask: (options: ProjectScopeOptions) => Promise<T>): Promise<T> {
    const known = this.#answers.get(what) as Promise<T> | undefined;
    if (known !== undefined) return known;
    this.#calls++;
    const answer = ask(this.#options);
    this.#answers.set(what, answer);
    return answer;
  }
}

/** The request is what is wrong, perhaps by one of its ids. */
function isRefusal(error: unknown): boolean {
  return isPipelineError(error) && error.kind === 'permanent' && error.httpStatus !== undefined;
}

function factsOf({ project }: ProjectAnswer): ProjectFacts {
  return { policyholderEmail: project === null || project === undefined ? null : primaryEmail(project) };
}
