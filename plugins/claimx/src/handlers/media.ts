import { PermanentError } from '@pipeline-host/sdk';
import { blobPathOf } from '../blob-path.ts';
import type { ClaimXConfig } from '../config.ts';
import { mediaRow } from '../rows/media-row.ts';
import type { DownloadTask } from '../schemas/download-task.ts';
import type { EntityRowsOf } from '../schemas/entity-rows.ts';
import type { Handler } from './handler.ts';
import { numericId } from './numeric-id.ts';

/** A file was added: its metadata, and a download where it has a link. */
export const mediaHandler: Handler = async (event, scope, stamp) => {
  const mediaId = numericId(event.media_id, 'media_id');
  const [project, media] = await Promise.all([scope.projectUnlessKnown(scope.projectId, stamp), scope.media(mediaId)]);
  const row = media === undefined ? null : mediaRow(media, scope.projectId, stamp);
  if (row === null) throw new PermanentError('CLAIMX_MEDIA_MISSING', `media ${mediaId} is not among those of its project`);
  const task = downloadTaskOf(row, scope.config.pathScheme);
  return { rows: { ...project.rows, media: [row] }, downloads: task === null ? [] : [task], carried: project.carried };
};

/** The download of a media file; null where it has no link. A name or type that the API does not give stays empty. */
export function downloadTaskOf(row: EntityRowsOf<'media'>[number], pathScheme: ClaimXConfig['pathScheme']): DownloadTask | null {
  const { media_id, project_id = null, full_download_link: link = null, file_name = null, file_type, expires_at, trace_id } = row;
  if (link === null || project_id === null) return null;
  return {
    media_id,
    project_id,
    download_url: link,
    blob_path: blobPathOf({ projectId: project_id, mediaId: media_id, fileName: file_name }, pathScheme),
    file_type: file_type ?? '',
    file_name: file_name ?? '',
    trace_id: trace_id ?? null,
    retry_count: 0,
    expires_at: expires_at ?? null,
    refresh_count: 0,
    metadata: null,
  };
}
