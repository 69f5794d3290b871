import { milliseconds } from '@pipeline-host/sdk';
import type { TimeSpan } from '../api-client.ts';
import type { VideoCollaboration } from '../api-responses.ts';
import { videoIdOf, videoRow } from '../rows/video-row.ts';
import { type EnrichmentTask, eventTimeOf } from '../schemas/enrichment-task.ts';
import type { Handler } from './handler.ts';
import { numericIdOrNull } from './numeric-id.ts';
import type { ProjectScope } from './project-scope.ts';

/** A video collaboration was invited to or completed. That the report does not have it is no failure. */
export const videoHandler: Handler = async (event, scope, stamp) => {
  const [project, video] = await Promise.all([scope.projectUnlessKnown(scope.projectId, stamp), findVideo(event, scope)]);
  const row = video === undefined ? null : videoRow(video, stamp);
  return { rows: { ...project.rows, video_collab: row === null ? [] : [row] }, carried: project.carried };
};

/**
 * The event's own collaboration and no other; the first of its project where the event names none. Where the recent past
 * does not have it, all is asked for.
 */
async function findVideo(event: EnrichmentTask, scope: ProjectScope): Promise<VideoCollaboration | undefined> {
  const { video_collaboration_id: named } = event;
  const id = numericIdOrNull(named) ?? named;
  const isIt = (video: VideoCollaboration): boolean => id === null || String(videoIdOf(video)) === id;
  const recent = await scope.videos(recentPast(event, milliseconds(scope.config.videoLookback)));
  return recent.find(isIt) ?? (await scope.videos(null)).find(isIt);
}

/** Up to a day past the event: clocks differ, and a collaboration goes on. */
function recentPast(event: EnrichmentTask, lookback: number): TimeSpan {
  const day = Date.parse(`${eventTimeOf(event).slice(0, 10)}T00:00:00Z`);
  return { from: new Date(day - lookback).toISOString(), to: new Date(day + 2 * 86_400_000).toISOString() };
}
