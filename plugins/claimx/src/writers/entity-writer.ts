import { defineTableWriter, type RowsOf, type TableDefinition } from '@pipeline-host/sdk';
import { ClaimXConfig } from '../config.ts';
import { ENTITY_TABLES, type EntityRows, type EntityRowsOf } from '../schemas/entity-rows.ts';
import { entitiesRows } from '../topics.ts';
import { withoutQuery } from './links.ts';

const tables = Object.values(ENTITY_TABLES);

/** Merges what events made known into the entity tables and the log of events, all in one commit. */
export const entityWriter = defineTableWriter({
  consumes: entitiesRows,
  writes: tables,
  config: ClaimXConfig,
  rows: (message, { config, writtenAt }) => entityRows(message, { keepQuery: config.keepUrlQuery, writtenAt }),
});

interface Circumstances {
  readonly keepQuery: boolean;
  readonly writtenAt: string;
}

function entityRows(message: EntityRows, { keepQuery, writtenAt }: Circumstances): RowsOf<typeof tables> {
  const { projects, contacts, media, tasks, task_templates, external_links, video_collab, event_log } = ENTITY_TABLES;
  return {
    claimx_projects: message.projects.map((row) => completed(projects, row, writtenAt)),
    claimx_contacts: message.contacts.map((row) => completed(contacts, row, writtenAt)),
    claimx_attachment_metadata: message.media.map((row) => completed(media, keepQuery ? row : withoutSignature(row), writtenAt)),
    claimx_tasks: message.tasks.map((row) => completed(tasks, row, writtenAt)),
    claimx_task_templates: message.task_templates.map((row) => completed(task_templates, row, writtenAt)),
    claimx_external_links: message.external_links.map((row) => completed(external_links, row, writtenAt)),
    claimx_video_collab: message.video_collab.map((row) => completed(video_collab, row, writtenAt)),
    claimx_event_log: message.event_log.map((row) => picked(event_log, row)),
  };
}

/** The row with its times, which older senders leave out or write as null. */
function completed<Row extends object>(
  table: TableDefinition<string, Row>,
  row: Row & { readonly created_at?: string | null | undefined; readonly updated_at?: string | null | undefined },
  writtenAt: string,
): Row {
  return picked(table, { ...row, created_at: row.created_at ?? writtenAt, updated_at: row.updated_at ?? writtenAt });
}

/** The columns of the table alone: senders may put more into a row. */
function picked<Row extends object>(table: TableDefinition<string, Row>, row: Row): Row {
  return Object.fromEntries(Object.entries(row).filter(([name]) => Object.hasOwn(table.row.properties, name))) as Row;
}

function withoutSignature(row: EntityRowsOf<'media'>[number]): EntityRowsOf<'media'>[number] {
  const { full_download_link: link } = row;
  return link === null || link === undefined ? row : { ...row, full_download_link: withoutQuery(link) };
}
