import type { Random } from 'pipeline-host/testing';
import { planMedia } from './media.ts';
import type { ClaimXState, Media, Person, Project, Task, TaskTemplate, Video } from './state.ts';

/** How the enricher must end that meets an event. */
export type EndOfEvent = 'success' | 'skipped' | 'failed';

/** What has happened to the state, as an event tells of it. */
export interface Happening {
  readonly type: string;
  readonly projectId: string;
  /** `success` where it is absent. */
  readonly end?: EndOfEvent;
  readonly media?: Media;
  /** Of a file that the API does not have. */
  readonly mediaId?: string;
  readonly taskAssignmentId?: string;
  readonly videoId?: string;
  readonly masterFileName?: string;
  /** Of the event where it comes late, ISO in UTC. */
  readonly time?: string;
}

/** Events come in clusters: most are about one of so many projects that came last. */
const RECENT = 12;
const TASK_KINDS = ['Contents inventory', 'Photos of the roof', 'Proof of loss', 'Contractor estimate', 'Water damage form'] as const;

/** Lets things happen to the state, one after the other, and in the same way for the same seed. */
export class History {
  readonly #random: Random;
  readonly #state: ClaimXState;
  readonly #projects: Project[] = [];
  /** Of files, in order. */
  #files = 0;
  #serial = 0;

  constructor(random: Random, state: ClaimXState) {
    this.#random = random;
    this.#state = state;
    for (const [index, name] of TASK_KINDS.entries()) state.templates.push(template(index, name));
  }

  /** @param time of the event, ISO in UTC */
  next(time: string): Happening {
    const at = time.replace('Z', '+00:00');
    const project = this.#recent();
    if (project === null || this.#chance(0.1)) return this.#projectCreated(at);
    const kinds: readonly [number, () => Happening][] = [
      [36, () => this.#fileAdded(project)],
      [13, () => this.#taskAssigned(project, at)],
      [9, () => this.#taskCompleted(project, at) ?? this.#taskAssigned(project, at)],
      [7, () => this.#policyholderInvited(project)],
      [5, () => this.#policyholderJoined(project)],
      [7, () => this.#masterFileNameAdded(project)],
      [6, () => this.#videoInvited(project, at)],
      [5, () => this.#videoCompleted(project, at) ?? this.#videoInvited(project, at)],
      [3, () => this.#linkingFailed(project, time)],
      [2, () => ({ type: 'PROJECT_ARCHIVED', projectId: project.id, end: 'skipped' })],
      [1, () => this.#wrongEvent(project)],
    ];
    let left = this.#random.next() * kinds.reduce((sum, [weight]) => sum + weight, 0);
    for (const [weight, happen] of kinds) {
      left -= weight;
      if (left < 0) return happen();
    }
    return this.#fileAdded(project);
  }

  #recent(): Project | null {
    const from = Math.max(0, this.#projects.length - RECENT);
    return this.#projects[this.#random.between(from, Math.max(from, this.#projects.length - 1))] ?? null;
  }
  #chance(share: number): boolean {
    return this.#random.next() < share;
  }
  #id(first: number): string {
    return String(first + ++this.#serial);
  }

  #projectCreated(at: string): Happening {
    const random = this.#random;
    const id = this.#id(5_512_000);
    const masterFileName = this.#chance(0.5) ? `04${random.text('ABCDEFGHJKLMNPQRSTUVWXYZ', 5)}` : null;
    const project: Project = {
      id,
      number: `PN-${id}`,
      masterFileName,
      secondaryNumber: this.#chance(0.5) ? random.text('0123456789', 6) : null,
      status: 'Active',
      createdDate: at,
      dateOfLoss: this.#chance(0.8) ? '2026-01-02T00:00:00+00:00' : null,
      typeOfLoss: random.pick(['Hail', 'Water', 'Fire', null]),
      causeOfLoss: random.pick(['Storm', 'Burst pipe', null]),
      lossDescription: random.pick(['Roof and gutters', 'Küche – Ölschaden', null]),
      street: `${random.between(1, 9_999)} Elm Ct`,
      city: random.pick(['Austin', 'Tulsa', 'Fargo', 'Reno']),
      state: random.pick(['TX', 'OK', 'ND', 'NV']),
      postcode: random.text('0123456789', 5),
      customAttribute: random.pick(['A1', null]),
      policyholder: this.#chance(0.6) ? this.#person('holder') : null,
      team: [
        { userName: 'adjuster.one@example.test', isPrimary: true, mfn: masterFileName },
        ...(this.#chance(0.3) ? [{ userName: 'adjuster.two@example.test', isPrimary: false, mfn: null }] : []),
      ],
      media: new Map(),
      tasks: [],
      videos: [],
      unlinkedAt: null,
      unlinkedBefore: false,
    };
    this.#state.add(project);
    this.#projects.push(project);
    return { type: 'PROJECT_CREATED', projectId: id };
  }

  #person(kind: string): Person {
    const random = this.#random;
    return {
      email: `${kind}.${random.text('abcdefghij', 8)}@example.test`,
      firstName: random.pick(['Rosa', 'Amir', 'Jürgen', 'Mei', null]),
      lastName: random.pick(['Ibarra', 'Okafor', 'Nowak', 'Ng']),
      phone: random.text('123456789', 10),
      countryCode: 1,
      linkedTask: null,
    };
  }

  #fileAdded(project: Project): Happening {
    const media = planMedia(this.#files++, this.#id(88_231_000), project.id, this.#random);
    this.#state.addMedia(media);
    return { type: 'PROJECT_FILE_ADDED', projectId: project.id, media };
  }

  #taskAssigned(project: Project, at: string): Happening {
    const random = this.#random;
    const assignmentId = this.#id(7_741_000);
    const kind = random.pick(this.#state.templates as [TaskTemplate, ...TaskTemplate[]]);
    const person = this.#addressee(project);
    const task: Task = {
      assignmentId,
      template: kind,
      project,
      assigneeId: String(random.between(100, 999)),
      dateAssigned: at,
      dateCompleted: null,
      status: 'ASSIGNED',
      link:
        person === null
          ? null
          : { id: this.#id(66_000), code: `ZX-${assignmentId}`, url: `https://claims.example.test/l/${assignmentId}`, person },
    };
    this.#state.addTask(task);
    return { type: 'CUSTOM_TASK_ASSIGNED', projectId: project.id, taskAssignmentId: assignmentId };
  }

  /** The policyholder, once, or somebody else. */
  #addressee({ policyholder }: Project): Person | null {
    if (policyholder !== null && policyholder.linkedTask === null && this.#chance(0.5)) return policyholder;
    return this.#chance(0.4) ? this.#person('owner') : null;
  }

  #taskCompleted({ id, tasks }: Project, at: string): Happening | null {
    const task = tasks.find(({ dateCompleted }) => dateCompleted === null);
    if (task === undefined) return null;
    task.dateCompleted = at;
    task.status = 'COMPLETED';
    return { type: 'CUSTOM_TASK_COMPLETED', projectId: id, taskAssignmentId: task.assignmentId };
  }

  #policyholderInvited(project: Project): Happening {
    project.policyholder ??= this.#person('holder');
    return { type: 'POLICYHOLDER_INVITED', projectId: project.id };
  }

  /** Whoever joins tells a new number or takes the old one away. */
  #policyholderJoined(project: Project): Happening {
    const { policyholder } = project;
    if (policyholder !== null) policyholder.phone = this.#chance(0.3) ? null : this.#random.text('123456789', 10);
    project.lossDescription = this.#chance(0.3) ? null : project.lossDescription;
    return { type: 'POLICYHOLDER_JOINED', projectId: project.id };
  }

  #masterFileNameAdded(project: Project): Happening {
    const masterFileName = `04${this.#random.text('ABCDEFGHJKLMNPQRSTUVWXYZ', 5)}`;
    project.masterFileName = masterFileName;
    project.secondaryNumber = null;
    project.status = 'Linked';
    for (const member of project.team) if (member.isPrimary) member.mfn = masterFileName;
    return { type: 'PROJECT_MFN_ADDED', projectId: project.id, masterFileName };
  }

  #videoInvited(project: Project, at: string): Happening {
    const random = this.#random;
    const video: Video = {
      id: this.#id(30_000),
      project,
      claimNumber: `CLM-${project.id}`,
      representative: { first: random.pick(['Ari', 'Bo']), last: random.pick(['Cole', 'Dunn']) },
      numberOfVideos: 0,
      numberOfPhotos: 0,
      sessionCount: 0,
      totalSeconds: null,
      // Some were planned long before: the recent past does not have them.
      createdDate: this.#chance(0.1) ? '2025-03-01T09:00:00.000+00:00' : at,
      lastSession: null,
      guid: random.uuid(),
    };
    project.videos.push(video);
    return { type: 'VIDEO_COLLABORATION_INVITE_SENT', projectId: project.id, videoId: video.id };
  }

  #videoCompleted({ id, videos }: Project, at: string): Happening | null {
    const video = videos.find(({ lastSession }) => lastSession === null);
    if (video === undefined) return null;
    video.numberOfVideos = this.#random.between(1, 3);
    video.numberOfPhotos = this.#random.between(0, 40);
    video.sessionCount = 1;
    video.totalSeconds = `${this.#random.between(10, 4_000)}.${this.#random.text('0123456789', 2)}`;
    video.lastSession = at;
    return { type: 'VIDEO_COLLABORATION_COMPLETED', projectId: id, videoId: video.id };
  }

  /** Failed twice at the most, of which the later failure is told first. */
  #linkingFailed(project: Project, time: string): Happening {
    const told = { type: 'PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL', projectId: project.id };
    if (project.unlinkedAt === null) {
      project.unlinkedAt = time;
      return told;
    }
    if (project.unlinkedBefore) return this.#fileAdded(project);
    project.unlinkedBefore = true;
    return { ...told, time: new Date(Date.parse(project.unlinkedAt) - 600_000).toISOString() };
  }

  /** An event of something that the API does not have, or that cannot be. */
  #wrongEvent(project: Project): Happening {
    switch (this.#random.pick(['media', 'task', 'project', 'text'] as const)) {
      case 'media':
        return { type: 'PROJECT_FILE_ADDED', projectId: project.id, end: 'failed', mediaId: this.#id(99_000_000) };
      case 'task':
        return { type: 'CUSTOM_TASK_ASSIGNED', projectId: project.id, end: 'failed', taskAssignmentId: this.#id(99_000_000) };
      case 'project':
        return { type: 'PROJECT_CREATED', projectId: this.#id(99_000_000), end: 'failed' };
      case 'text':
        return { type: 'CUSTOM_TASK_COMPLETED', projectId: project.id, end: 'failed', taskAssignmentId: 'none' };
    }
  }
}

function template(index: number, name: string): TaskTemplate {
  return {
    id: String(3_300 + index),
    companyId: '12',
    name,
    formId: `frm-${index}`,
    isManual: index % 2 === 1,
    sendsLink: index % 2 === 0,
    modifiedDate: '2025-11-30T09:00:00+00:00',
  };
}
