import { DurationText, type Static, Type } from '@pipeline-host/sdk';
import { ALLOWED_FILE_TYPES } from './file-types.ts';

const closed = { additionalProperties: false } as const;

/** `plugins.xact.config`. Every key has a default, so that the whole may be absent. */
export const XactConfig = Type.Object(
  {
    allowedHosts: Type.Array(Type.String({ minLength: 1 }), {
      default: ['usw2-prod-xn-exportreceiver-publish.s3.us-west-2.amazonaws.com'],
      description: 'hosts that attachments are fetched from: exact, lower case, host:port for another port than the scheme has',
    }),
    schemes: Type.Array(Type.Union([Type.Literal('https'), Type.Literal('http')]), { default: ['https'], minItems: 1 }),
    privateRanges: Type.Array(Type.String(), { default: [], description: 'CIDR ranges that may be asked although they are private' }),
    fileTypes: Type.Record(Type.String({ pattern: '^[a-z0-9]+$' }), Type.Array(Type.String({ minLength: 1 })), {
      default: ALLOWED_FILE_TYPES,
      description: 'allowed extensions, each with the content types that go with it',
    }),
    maxBytes: Type.Integer({ default: 2 * 1024 ** 3, minimum: 1, description: 'largest attachment' }),
    idleTimeout: DurationText({ default: '30s', description: 'without a byte for so long, a download is given up and tried again' }),
    minimumRate: Type.Integer({
      default: 1024,
      minimum: 0,
      description: 'bytes a second below which a download is given up and tried again',
    }),
    mediaNamespace: Type.Union([Type.Literal('nsmkdvPipe'), Type.Literal('xactPipeline')], {
      default: 'nsmkdvPipe',
      description: 'which of the two systems before us the media ids must agree with',
    }),
    mediaIdIgnoresQuery: Type.Boolean({
      default: false,
      description: 'hash the URL without its query: a fresh signature keeps the media id',
    }),
    pathScheme: Type.Union([Type.Literal('reference'), Type.Literal('collision-safe')], {
      default: 'reference',
      description: 'collision-safe puts a folder named by the media id into each blob path',
    }),
    keepUrlQuery: Type.Boolean({
      default: false,
      description: 'keep the query (the signature) in attachment_url of the tables of attachments',
    }),
  },
  { ...closed, default: {} },
);
export type XactConfig = Static<typeof XactConfig>;
