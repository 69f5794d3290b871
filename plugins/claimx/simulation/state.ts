/** What the simulated API holds: values as the tables must have them, in no form of the API's. */

export interface Person {
  readonly email: string;
  firstName: string | null;
  lastName: string | null;
  phone: string | null;
  readonly countryCode: number | null;
  /** The task whose link was sent to this person; one at most. */
  linkedTask: Task | null;
}

export interface TeamMember {
  readonly userName: string;
  readonly isPrimary: boolean;
  mfn: string | null;
}

export interface Project {
  readonly id: string;
  readonly number: string;
  masterFileName: string | null;
  secondaryNumber: string | null;
  status: string;
  readonly createdDate: string;
  readonly dateOfLoss: string | null;
  readonly typeOfLoss: string | null;
  readonly causeOfLoss: string | null;
  lossDescription: string | null;
  readonly street: string;
  readonly city: string;
  readonly state: string;
  readonly postcode: string;
  customAttribute: string | null;
  /** Null until there is an e-mail address. */
  policyholder: Person | null;
  readonly team: readonly TeamMember[];
  readonly media: Map<string, Media>;
  readonly tasks: Task[];
  readonly videos: Video[];
  /** When an event said that it could not be linked: the API itself does not know. */
  unlinkedAt: string | null;
  /** Whether an event told, late, of an earlier time. */
  unlinkedBefore: boolean;
}

/** What storage, or the API, does with a media file. */
export type MediaBehaviour =
  | 'fine'
  | 'slow'
  | 'busy-once'
  | 'cut-once'
  /** The first link ends before anyone can use it. */
  | 'ends-soon'
  /** Storage refuses the first link's signature. */
  | 'refused-once'
  /** The API has no link for it. */
  | 'no-link'
  /** Deleted when storage is asked for it. */
  | 'deleted'
  | 'lost'
  | 'empty'
  | 'page-as-photo'
  | 'program';

export interface Media {
  readonly id: string;
  readonly projectId: string;
  readonly name: string;
  readonly kind: 'jpg' | 'png' | 'pdf' | 'txt';
  readonly description: string | null;
  readonly comment: string | null;
  readonly latitude: string | null;
  readonly longitude: string | null;
  readonly takenDate: string | null;
  readonly size: number;
  readonly behaviour: MediaBehaviour;
  /** Of storage. */
  readonly path: string;
  /** Links that were given out. */
  linksGiven: number;
}

export interface TaskTemplate {
  readonly id: string;
  readonly companyId: string;
  readonly name: string;
  readonly formId: string;
  readonly isManual: boolean;
  readonly sendsLink: boolean;
  readonly modifiedDate: string;
}

export interface Task {
  readonly assignmentId: string;
  readonly template: TaskTemplate;
  readonly project: Project;
  readonly assigneeId: string;
  readonly dateAssigned: string;
  dateCompleted: string | null;
  status: string;
  readonly link: { readonly id: string; readonly code: string; readonly url: string; readonly person: Person } | null;
}

export interface Video {
  readonly id: string;
  readonly project: Project;
  readonly claimNumber: string;
  readonly representative: { readonly first: string; readonly last: string };
  numberOfVideos: number;
  numberOfPhotos: number;
  sessionCount: number;
  /** A decimal number. */
  totalSeconds: string | null;
  readonly createdDate: string;
  lastSession: string | null;
  readonly guid: string;
}

/** All of it. Ids are digits. */
export class ClaimXState {
  readonly projects = new Map<string, Project>();
  readonly tasks = new Map<string, Task>();
  readonly templates: TaskTemplate[] = [];
  /** By path in storage. */
  readonly files = new Map<string, Media>();

  add(project: Project): void {
    this.projects.set(project.id, project);
  }
  addMedia(media: Media): void {
    this.projects.get(media.projectId)?.media.set(media.id, media);
    this.files.set(media.path, media);
  }
  addTask(task: Task): void {
    task.project.tasks.push(task);
    this.tasks.set(task.assignmentId, task);
    if (task.link !== null) task.link.person.linkedTask = task;
  }
  delete(media: Media): void {
    this.projects.get(media.projectId)?.media.delete(media.id);
  }
}
