import { FILE_CONTENT_TYPES, fileContent } from 'pipeline-host/testing';

/** Kinds of file that the simulated server holds, each with the content type that it is served with. */
export const CONTENT_TYPES = {
  pdf: FILE_CONTENT_TYPES.pdf,
  jpg: FILE_CONTENT_TYPES.jpg,
  png: FILE_CONTENT_TYPES.png,
  gif: FILE_CONTENT_TYPES.gif,
  esx: FILE_CONTENT_TYPES.zip,
  xml: FILE_CONTENT_TYPES.xml,
  txt: FILE_CONTENT_TYPES.txt,
  csv: FILE_CONTENT_TYPES.csv,
  json: FILE_CONTENT_TYPES.json,
} as const;
export type FileKind = keyof typeof CONTENT_TYPES;

/** The content of a file; an estimate package is an archive. The same for the same name, kind and size. */
export function contentOf(kind: FileKind, name: string, size: number): Buffer {
  return fileContent(kind === 'esx' ? 'zip' : kind, name, size);
}
