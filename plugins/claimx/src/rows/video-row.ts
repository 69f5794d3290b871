import type { RowOf } from '@pipeline-host/sdk';
import type { VideoCollaboration } from '../api-responses.ts';
import { decimalText, integer, text, timestampText } from '../converters.ts';
import type { claimxVideoCollab } from '../tables/video-collab.ts';
import type { Image, Stamp } from './image.ts';

/** The row of a video collaboration; null where the API gives it no id. */
export function videoRow(video: VideoCollaboration, { trace_id, now }: Stamp): Image<RowOf<typeof claimxVideoCollab>> | null {
  const video_collaboration_id = videoIdOf(video);
  if (video_collaboration_id === null) return null;
  const first = text(video.claimRepFirstName);
  const last = text(video.claimRepLastName);
  return {
    video_collaboration_id,
    claim_id: integer(video.claimId),
    mfn: text(video.mfn),
    claim_number: text(video.claimNumber),
    policy_number: text(video.policyNumber),
    email_user_name: text(video.emailUserName),
    claim_rep_first_name: first,
    claim_rep_last_name: last,
    claim_rep_full_name: text(video.claimRepFullName) ?? text([first, last].filter((name) => name !== null).join(' ')),
    number_of_videos: integer(video.numberOfVideos),
    number_of_photos: integer(video.numberOfPhotos),
    number_of_viewers: integer(video.numberOfViewers),
    session_count: integer(video.sessionCount),
    total_time_seconds: decimalText(video.totalTimeSeconds),
    total_time: text(video.totalTime),
    created_date: timestampText(video.createdDate),
    live_call_first_session: timestampText(video.liveCallFirstSession),
    live_call_last_session: timestampText(video.liveCallLastSession),
    company_id: integer(video.companyId),
    company_name: text(video.companyName),
    guid: text(video.guid),
    trace_id,
    created_at: now,
    updated_at: now,
    last_enriched_at: now,
  };
}

/** Some answers call it `id`. */
export function videoIdOf({ videoCollaborationId, id }: VideoCollaboration): number | string | null {
  return integer(videoCollaborationId) ?? integer(id);
}
