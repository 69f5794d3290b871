import { defineTableWriter } from '@pipeline-host/sdk';
import { withoutQuery } from '../attachment-url.ts';
import { XactConfig } from '../config.ts';
import { xactAttachments } from '../tables.ts';
import { downloadsResults } from '../topics.ts';

/** Keeps the inventory of stored attachments. Failed ones stand in the dead letters and in `downloads.results`. */
export const resultProcessor = defineTableWriter({
  consumes: downloadsResults,
  writes: [xactAttachments],
  config: XactConfig,
  rows: (result, { config, writtenAt }) => {
    if (result.status !== 'completed') return {};
    const { media_id, trace_id, attachment_url, blob_path, file_type, status_subtype, assignment_id, bytes_downloaded } = result;
    return {
      xact_attachments: [
        {
          media_id,
          trace_id,
          attachment_url: config.keepUrlQuery ? attachment_url : withoutQuery(attachment_url),
          blob_path,
          file_type,
          status_subtype,
          assignment_id,
          bytes_downloaded,
          downloaded_at: result.created_at,
          created_at: writtenAt,
          event_date: writtenAt.slice(0, 10),
        },
      ],
    };
  },
});
