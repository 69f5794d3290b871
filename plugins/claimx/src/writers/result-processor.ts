import { defineTableWriter } from '@pipeline-host/sdk';
import { ClaimXConfig } from '../config.ts';
import { claimxAttachments } from '../tables/attachments.ts';
import { downloadsResults } from '../topics.ts';
import { withoutQuery } from './links.ts';

/** Keeps the inventory of stored media files. Failed ones stand in the dead letters and in `downloads.results`. */
export const resultProcessor = defineTableWriter({
  consumes: downloadsResults,
  writes: [claimxAttachments],
  config: ClaimXConfig,
  rows: (result, { config, writtenAt }) => {
    if (result.status !== 'completed') return {};
    const { media_id, project_id, download_url, file_type, file_name, blob_path, bytes_uploaded, trace_id } = result;
    return {
      claimx_attachments: [
        {
          media_id,
          project_id,
          file_name,
          file_type,
          blob_path,
          bytes: bytes_uploaded,
          bytes_downloaded: bytes_uploaded,
          media_type: result.content_type,
          media_name: file_name,
          download_url: config.keepUrlQuery ? download_url : withoutQuery(download_url),
          trace_id,
          downloaded_at: result.downloaded_at ?? result.created_at,
          created_at: writtenAt,
          created_date: writtenAt.slice(0, 10),
          updated_at: writtenAt,
        },
      ],
    };
  },
});
