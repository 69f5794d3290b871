import { defineTableWriter, errorText } from '@pipeline-host/sdk';
import { withoutQuery } from '../attachment-url.ts';
import { XactConfig } from '../config.ts';
import { xactAttachments, xactAttachmentsFailed } from '../tables.ts';
import { downloadsResults } from '../topics.ts';

/**
 * Keeps the inventory of stored attachments, and where it is enabled the table of those that were given up. They stand in
 * the dead letters and in `downloads.results` anyway.
 */
export const resultProcessor = defineTableWriter({
  consumes: downloadsResults,
  writes: [xactAttachments, xactAttachmentsFailed],
  config: XactConfig,
  rows: (result, { config, writtenAt }) => {
    const { media_id, trace_id, blob_path, file_type, status_subtype, assignment_id, bytes_downloaded } = result;
    const attachment_url = config.keepUrlQuery ? result.attachment_url : withoutQuery(result.attachment_url);
    switch (result.status) {
      case 'completed':
        return {
          xact_attachments: [
            {
              media_id,
              trace_id,
              attachment_url,
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
      case 'failed_permanent':
        return {
          xact_attachments_failed: [
            {
              media_id,
              trace_id,
              attachment_url,
              error_message: errorText(result.error_message ?? 'Unknown error'), // a link may stand in it
              status: result.status,
              failed_at: result.created_at,
              retry_count: result.retry_count,
              http_status: result.http_status,
              created_at: writtenAt,
            },
          ],
        };
      case 'failed':
        return {};
    }
  },
});
