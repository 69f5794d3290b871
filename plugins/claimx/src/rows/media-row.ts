import type { RowOf } from '@pipeline-host/sdk';
import type { Media } from '../api-responses.ts';
import { idText, text } from '../converters.ts';
import type { claimxAttachmentMetadata } from '../tables/attachment-metadata.ts';
import type { Image, Stamp } from './image.ts';

/** The row of a media file; null where the API gives it no id. */
export function mediaRow(media: Media, projectId: string, { trace_id, now }: Stamp): Image<RowOf<typeof claimxAttachmentMetadata>> | null {
  const media_id = idText(media.mediaID);
  if (media_id === null) return null;
  return {
    media_id,
    project_id: projectId,
    task_assignment_id: idText(media.taskAssignmentId),
    file_type: text(media.mediaType),
    file_name: text(media.mediaName),
    media_description: text(media.mediaDescription),
    media_comment: text(media.mediaComment),
    latitude: text(media.latitude),
    longitude: text(media.longitude),
    gps_source: text(media.gpsSource),
    taken_date: text(media.takenDate),
    full_download_link: text(media.fullDownloadLink),
    expires_at: text(media.expiresAt),
    trace_id,
    created_at: now,
    updated_at: now,
    last_enriched_at: now,
  };
}
