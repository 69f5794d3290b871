import type { Random } from 'pipeline-host/testing';
import type { Media, MediaBehaviour } from './state.ts';

/** How the downloader must end that meets a file; null where it is stored or there is nothing to fetch. */
export const CAUSES: Readonly<Record<MediaBehaviour, string | null>> = {
  fine: null,
  slow: null,
  'busy-once': null,
  'cut-once': null,
  'ends-soon': null,
  'refused-once': null,
  'no-link': null,
  deleted: 'CLAIMX_MEDIA_MISSING',
  lost: 'PH_HTTP_CLIENT_ERROR',
  empty: 'PH_DOWNLOAD_EMPTY',
  'page-as-photo': 'PH_FILE_TYPE_MISMATCH',
  program: 'PH_FILE_TYPE_MISMATCH',
};

/** The files of each hundred that are not simply fine. Few enough that no worker takes storage for down. */
const UNUSUAL: Readonly<Record<number, MediaBehaviour>> = {
  4: 'busy-once',
  9: 'ends-soon',
  15: 'refused-once',
  21: 'no-link',
  28: 'page-as-photo',
  33: 'slow',
  39: 'ends-soon',
  46: 'lost',
  52: 'busy-once',
  57: 'deleted',
  64: 'program',
  70: 'refused-once',
  77: 'slow',
  83: 'ends-soon',
};
/** Once in all, so that few records wait through all their attempts. */
const ONCE: Readonly<Record<number, MediaBehaviour>> = { 7: 'cut-once', 12: 'empty' };

/** The file with the given number, counted from 0. */
export function planMedia(number: number, id: string, projectId: string, random: Random): Media {
  const behaviour = ONCE[number] ?? UNUSUAL[number % 100] ?? 'fine';
  const kind =
    behaviour === 'page-as-photo'
      ? 'jpg'
      : behaviour === 'program'
        ? 'pdf'
        : random.pick<Media['kind']>(['jpg', 'jpg', 'png', 'pdf', 'txt']);
  // Photos of one project often share a name: they must not overwrite each other.
  const name = random.next() < 0.15 ? `image.${kind}` : `${random.pick(['roof', 'Küche', 'IMG 00', 'invoice'])}_${id}.${kind}`;
  const hasPlace = kind === 'jpg' && random.next() < 0.5;
  return {
    id,
    projectId,
    name,
    kind,
    description: random.pick(['Roof north slope', null]),
    comment: random.pick(['see also the others', null, null]),
    latitude: hasPlace ? `30.${random.text('123456789', 4)}` : null,
    longitude: hasPlace ? `-97.${random.text('123456789', 4)}` : null,
    takenDate: random.pick(['2026-01-04', null]),
    size: random.next() < 0.05 ? random.between(100_000, 400_000) : random.between(2_000, 20_000),
    behaviour,
    path: `/p/${projectId}/${id}/${encodeURIComponent(name)}`,
    linksGiven: 0,
  };
}
