import {
  DELTA_TYPE,
  Id,
  Nullable,
  type RowOf,
  type Static,
  type TableDefinition,
  Text,
  Timestamp,
  type TSchema,
  Type,
} from '@pipeline-host/sdk';
import { claimxAttachmentMetadata } from '../tables/attachment-metadata.ts';
import { claimxContacts } from '../tables/contacts.ts';
import { claimxEventLog } from '../tables/event-log.ts';
import { claimxExternalLinks } from '../tables/external-links.ts';
import { claimxProjects } from '../tables/projects.ts';
import { claimxTaskTemplates } from '../tables/task-templates.ts';
import { claimxTasks } from '../tables/tasks.ts';
import { claimxVideoCollab } from '../tables/video-collab.ts';

/** The lists of a message and the table of each. */
export const ENTITY_TABLES = {
  projects: claimxProjects,
  contacts: claimxContacts,
  media: claimxAttachmentMetadata,
  tasks: claimxTasks,
  task_templates: claimxTaskTemplates,
  external_links: claimxExternalLinks,
  video_collab: claimxVideoCollab,
  /** Ours: older senders have none, older readers leave it. */
  event_log: claimxEventLog,
} as const;
export type EntityList = keyof typeof ENTITY_TABLES;

/** The rows of one list; a column that a row leaves out is not known to its sender, and keeps what is stored. */
export type EntityRowsOf<List extends EntityList> = readonly RowOf<(typeof ENTITY_TABLES)[List]>[];
/** Rows by list. */
export type RowLists = { readonly [List in EntityList]: EntityRowsOf<List> };

/** Rows as senders write them: further fields are let through and go no further. */
function rowsOf<Table extends TableDefinition>(table: Table) {
  const key: readonly string[] = table.options.mode === 'merge' ? table.options.key : [];
  const fields = Object.entries(table.row.properties).map(([name, column]): [string, TSchema] => {
    const read = fieldOf(column);
    return [name, key.includes(name) ? read : Type.Optional(Type.Union([read, Type.Null()]))];
  });
  return Type.Unsafe<readonly RowOf<Table>[]>(Type.Array(Type.Object(Object.fromEntries(fields)), { default: [] }));
}

/** How a column's value is read: texts and instants in any form. */
function fieldOf(column: TSchema): TSchema {
  const value =
    ((column['anyOf'] as readonly TSchema[] | undefined) ?? [column]).find((schema) => schema[DELTA_TYPE] !== undefined) ?? column;
  if (value[DELTA_TYPE] === 'string') return Text();
  return value[DELTA_TYPE] === 'timestamp' ? Timestamp() : value;
}

const fields = {
  event_type: Nullable(Id()),
  project_id: Nullable(Id()),
  projects: rowsOf(claimxProjects),
  contacts: rowsOf(claimxContacts),
  media: rowsOf(claimxAttachmentMetadata),
  tasks: rowsOf(claimxTasks),
  task_templates: rowsOf(claimxTaskTemplates),
  external_links: rowsOf(claimxExternalLinks),
  video_collab: rowsOf(claimxVideoCollab),
  event_log: rowsOf(claimxEventLog),
};

/** What one event made known of its project: `entities.rows`. Older senders put many events and projects into one message. */
export const EntityRows = Type.Object({ trace_id: Nullable(Id()), ...fields });
export type EntityRows = Static<typeof EntityRows>;

/** A message of these rows. */
export function entityMessage(about: Pick<EntityRows, 'trace_id' | 'event_type' | 'project_id'>, rows: Partial<RowLists>): EntityRows {
  const none: RowLists = {
    projects: [],
    contacts: [],
    media: [],
    tasks: [],
    task_templates: [],
    external_links: [],
    video_collab: [],
    event_log: [],
  };
  return { trace_id: about.trace_id, event_type: about.event_type, project_id: about.project_id, ...none, ...rows };
}
