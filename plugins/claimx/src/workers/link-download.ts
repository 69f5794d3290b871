import {
  isPipelineError,
  milliseconds,
  PermanentError,
  type ServicesOf,
  type StagedFile,
  TransientError,
  type WorkerContext,
} from '@pipeline-host/sdk';
import type { ClaimXConfig } from '../config.ts';
import { idText, text } from '../converters.ts';
import { numericId } from '../handlers/numeric-id.ts';
import { linkExpiry } from '../link-expiry.ts';
import type { DownloadTask } from '../schemas/download-task.ts';
import type { services } from '../services.ts';
import { typedName } from '../typed-name.ts';
import { isAwayForAMoment, withoutBlame } from './storage-away.ts';

type Context = Pick<WorkerContext<ClaimXConfig, ServicesOf<typeof services>>, 'config' | 'services' | 'http' | 'signal' | 'attempt'>;

/** A link that ends sooner is not begun with. */
const MARGIN = 60_000;
/** Fresh links for one attempt: one where the given one has ended, one where storage refuses it. */
const MAX_REFRESHES = 2;

export interface Download {
  readonly file: StagedFile;
  /** The link that worked. */
  readonly url: string;
  readonly refreshCount: number;
}

/**
 * Fetches a media file with a link that holds. A link that has ended, or that storage refuses, is replaced by a fresh one
 * from the API; what the API says of media that is gone is final. A server that is away is asked once more at once; then the
 * file waits for it.
 */
export async function downloadByLink(task: DownloadTask, context: Context): Promise<Download> {
  let url = task.download_url;
  let refreshes = 0;
  const refresh = async (): Promise<void> => {
    refreshes++;
    url = await freshLink(task, context);
  };
  if (endsSoon(url, context.config)) await refresh();
  for (;;) {
    try {
      const file = await fetchFile(url, task, context).catch((error: unknown) => {
        if (!isAwayForAMoment(error)) throw error;
        return fetchFile(url, task, context);
      });
      return { file, url, refreshCount: task.refresh_count + refreshes };
    } catch (error) {
      if (!isRefused(error) || refreshes >= MAX_REFRESHES) throw withoutBlame(secondChance(error, context.attempt));
    }
    await refresh();
  }
}

function endsSoon(url: string, { allowedHosts }: ClaimXConfig): boolean {
  const expiry = linkExpiry(url, allowedHosts);
  return expiry !== null && expiry.getTime() - Date.now() <= MARGIN;
}

function fetchFile(url: string, { file_name }: DownloadTask, { config, http, signal }: Context): Promise<StagedFile> {
  return http.download({
    url,
    fileName: typedName(url, file_name),
    policy: { hosts: config.allowedHosts, schemes: config.schemes, privateRanges: config.privateRanges },
    fileTypes: { types: config.fileTypes },
    maxBytes: config.maxBytes,
    idleTimeout: milliseconds(config.idleTimeout),
    minimumRate: config.minimumRate,
    signal,
  });
}

/** The link that the API gives out now. @throws PermanentError where the media is gone */
async function freshLink(task: DownloadTask, { services, signal }: Context): Promise<string> {
  const mediaId = numericId(task.media_id, 'media_id');
  const media = await services.api.media(numericId(task.project_id, 'project_id'), [mediaId], signal).catch((error: unknown) => {
    if (isPipelineError(error) && error.httpStatus === 404) throw gone(mediaId, error);
    throw error;
  });
  const found = media.find(({ mediaID }) => idText(mediaID) === mediaId);
  if (found === undefined) throw gone(mediaId);
  const link = text(found.fullDownloadLink);
  if (link === null) throw new PermanentError('CLAIMX_LINK_MISSING', `the API gives no link for media ${mediaId}`);
  return link;
}

function gone(mediaId: string, cause?: unknown): PermanentError {
  return new PermanentError('CLAIMX_MEDIA_MISSING', `media ${mediaId} is not among those of its project`, { cause });
}

const statusOf = (error: unknown): number | undefined => (isPipelineError(error) ? error.httpStatus : undefined);

/** Storage does not accept the link's signature. */
function isRefused(error: unknown): boolean {
  const status = statusOf(error);
  return status === 401 || status === 403;
}

/** What storage does not have or refuses at first may be a matter of its replicas or clocks: it is asked once more, later. */
function secondChance(error: unknown, attempt: number): unknown {
  const status = statusOf(error);
  if (attempt > 1 || (status !== 403 && status !== 404) || !isPipelineError(error) || error.kind !== 'permanent') return error;
  return new TransientError('CLAIMX_FILE_REFUSED', error.message, {
    httpStatus: status,
    ...(error.place !== undefined && { place: error.place }),
    cause: error,
  });
}
