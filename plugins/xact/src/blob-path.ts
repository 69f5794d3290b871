import { sanitizeSegment } from '@pipeline-host/sdk';
import { extensionOf, lastSegment } from './attachment-url.ts';
import type { XactConfig } from './config.ts';

export interface BlobPlace {
  readonly url: string;
  readonly statusSubtype: string;
  readonly assignmentId: string;
  readonly traceId: string;
  readonly mediaId: string;
  readonly estimateVersion: string | null;
}

/** Where an attachment is stored, and its type by name: the extension in upper case, or `UNKNOWN`. */
export interface BlobName {
  readonly blobPath: string;
  readonly fileType: string;
}

/** The path and file type of an attachment; each segment is safe on every store. */
export function blobNameOf(place: BlobPlace, pathScheme: XactConfig['pathScheme']): BlobName {
  const name = lastSegment(place.url) === '' ? 'unknown' : sanitizeSegment(lastSegment(place.url));
  const extension = extensionOf(name)?.toLowerCase() ?? null;
  const lowered = extension === null ? name : name.slice(0, name.length - extension.length) + extension;
  const folders = [place.statusSubtype, place.assignmentId, place.traceId, ...(pathScheme === 'collision-safe' ? [place.mediaId] : [])];
  const file = `${place.assignmentId}_${infixOf(place)}${lowered}`;
  return {
    blobPath: [...folders, file].map((segment) => sanitizeSegment(segment)).join('/'),
    fileType: extension?.toUpperCase() ?? 'UNKNOWN',
  };
}

function infixOf({ statusSubtype, estimateVersion }: BlobPlace): string {
  if (statusSubtype === 'firstNoticeOfLossReceived') return 'FNOL_';
  if (statusSubtype === 'estimatePackageReceived') return `${estimateVersion ?? 'unknown'}_`;
  return '';
}

/** The same path with a suffix in the file's name, for a path that already holds another file. */
export function withSuffix(blobPath: string, suffix: string): string {
  const slash = blobPath.lastIndexOf('/') + 1;
  const file = blobPath.slice(slash);
  const extension = extensionOf(file);
  const type = extension === null ? '' : `.${extension}`;
  return blobPath.slice(0, slash) + sanitizeSegment(`${file.slice(0, file.length - type.length)}_${suffix}${type}`);
}
