import { sanitizeSegment } from '@pipeline-host/sdk';
import type { ClaimXConfig } from './config.ts';

export interface BlobPlace {
  readonly projectId: string;
  readonly mediaId: string;
  /** Null or blank: named by the media id. */
  readonly fileName: string | null;
}

/** Where a media file is stored; each segment is safe on every store. */
export function blobPathOf({ projectId, mediaId, fileName }: BlobPlace, pathScheme: ClaimXConfig['pathScheme']): string {
  const name = fileName === null || fileName.trim() === '' ? `media_${mediaId}` : fileName;
  const segments = [projectId, 'media', ...(pathScheme === 'collision-safe' ? [mediaId] : []), name];
  return segments.map((segment) => sanitizeSegment(segment)).join('/');
}

/** The same path with a suffix in the file's name, for a path that already holds another file. */
export function withSuffix(blobPath: string, suffix: string): string {
  const slash = blobPath.lastIndexOf('/') + 1;
  const file = blobPath.slice(slash);
  const dot = file.lastIndexOf('.');
  const stem = dot < 1 ? file : file.slice(0, dot);
  return blobPath.slice(0, slash) + sanitizeSegment(`${stem}_${suffix}${file.slice(stem.length)}`);
}
