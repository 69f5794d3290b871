import type { Stamp } from '../rows/image.ts';
import type { DownloadTask } from '../schemas/download-task.ts';
import type { EnrichmentTask } from '../schemas/enrichment-task.ts';
import type { RowLists } from '../schemas/entity-rows.ts';
import type { CarriedProject, ProjectScope } from './project-scope.ts';

/** What an event made known. */
export interface Enrichment {
  readonly rows: Partial<RowLists>;
  readonly downloads?: readonly DownloadTask[];
  /** The project that the rows are of, where it is not the event's. */
  readonly projectId?: string;
  /** The project whose rows are among them. */
  readonly carried: CarriedProject | null;
}

/** Makes rows of one event. Throws where it fails, by the error's class for now or for good. */
export type Handler = (event: EnrichmentTask, scope: ProjectScope, stamp: Stamp) => Enrichment | Promise<Enrichment>;
