import { FILE_TYPES } from '@pipeline-host/sdk';

/** Allowed extensions, each with the content types that go with it. */
export const ALLOWED_FILE_TYPES: typeof FILE_TYPES = { ...FILE_TYPES, esx: ['application/zip', 'application/xml', 'text/xml'] };
