const OPEN_XML = 'application/vnd.openxmlformats-officedocument';

/**
 * Extensions of documents, pictures and films, each with the content types that go with it: for `fileTypes` of a download.
 * Generic binary types go with every extension; the host then looks at the bytes.
 */
export const FILE_TYPES: Readonly<Record<string, readonly string[]>> = {
  pdf: ['application/pdf'],
  xml: ['application/xml', 'text/xml'],
  txt: ['text/plain'],
  csv: ['text/csv', 'text/plain', 'application/vnd.ms-excel'],
  json: ['application/json', 'text/plain'],
  html: ['text/html'],
  htm: ['text/html'],
  xls: ['application/vnd.ms-excel'],
  xlsx: [`${OPEN_XML}.spreadsheetml.sheet`, 'application/zip'],
  doc: ['application/msword'],
  docx: [`${OPEN_XML}.wordprocessingml.document`, 'application/zip'],
  jpg: ['image/jpeg'],
  jpeg: ['image/jpeg'],
  png: ['image/png'],
  gif: ['image/gif'],
  bmp: ['image/bmp'],
  tiff: ['image/tiff'],
  tif: ['image/tiff'],
  webp: ['image/webp'],
  mov: ['video/quicktime'],
  mp4: ['video/mp4'],
};
