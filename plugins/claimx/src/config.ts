import { DurationText, Secret, type Static, Type } from '@pipeline-host/sdk';
import { ALLOWED_FILE_TYPES } from './file-types.ts';

const closed = { additionalProperties: false } as const;

const ApiConfig = Type.Object(
  {
    baseUrl: Type.String({
      pattern: '^https?://[^?#]*[^/?#]$',
      description: 'address of the ClaimX API, such as https://<host>/service/cxedirest',
    }),
    token: Secret({ description: 'token of Basic authentication: Base64 of user:password' }),
    senderUsername: Type.String({ minLength: 1, description: 'user in whose name reports are asked for' }),
    timeout: DurationText({ default: '30s', description: 'for one request and its answer' }),
    concurrency: Type.Integer({ default: 20, minimum: 1, description: 'requests at once, in each process' }),
    ratePerSecond: Type.Number({ default: 0, minimum: 0, description: 'requests a second at most, in each process; 0: no limit' }),
    privateRanges: Type.Array(Type.String(), { default: [], description: 'CIDR ranges that the API may have although they are private' }),
  },
  closed,
);

const LinkConfig = {
  allowedHosts: Type.Array(Type.String({ minLength: 1 }), {
    default: [
      'claimxperience.s3.amazonaws.com',
      'claimxperience.s3.us-east-1.amazonaws.com',
      'www.claimxperience.com',
      'claimxperience.com',
      'xactware-claimx-us-prod.s3.us-west-1.amazonaws.com',
    ],
    description: 'hosts that media are fetched from: exact, lower case, host:port for another port than the scheme has',
  }),
  schemes: Type.Array(Type.Union([Type.Literal('https'), Type.Literal('http')]), { default: ['https'], minItems: 1 }),
  privateRanges: Type.Array(Type.String(), { default: [], description: 'CIDR ranges that may be asked although they are private' }),
  fileTypes: Type.Record(Type.String({ pattern: '^[a-z0-9]+$' }), Type.Array(Type.String({ minLength: 1 })), {
    default: ALLOWED_FILE_TYPES,
    description: 'allowed extensions, each with the content types that go with it',
  }),
  maxBytes: Type.Integer({ default: 2 * 1024 ** 3, minimum: 1, description: 'largest file' }),
  idleTimeout: DurationText({ default: '30s', description: 'without a byte for so long, a download is given up and tried again' }),
  minimumRate: Type.Integer({
    default: 1024,
    minimum: 0,
    description: 'bytes a second below which a download is given up and tried again',
  }),
};

/** `plugins.claimx.config`. Only the API must be given: address, token and user. */
export const ClaimXConfig = Type.Object(
  {
    api: ApiConfig,
    ...LinkConfig,
    projectCache: Type.Object(
      {
        ttl: DurationText({ default: '30m', description: 'for so long a project that was written is not asked for again by other events' }),
        size: Type.Integer({ default: 10_000, minimum: 0, description: 'projects at most; 0: none is remembered' }),
      },
      { ...closed, default: {} },
    ),
    videoLookback: DurationText({
      default: '90d',
      description: "first asked-for span of the video report, up to the event's time; all of it where nothing is found",
    }),
    pathScheme: Type.Union([Type.Literal('reference'), Type.Literal('collision-safe')], {
      default: 'reference',
      description: 'collision-safe puts a folder named by the media id into each blob path',
    }),
    keepUrlQuery: Type.Boolean({ default: false, description: 'keep the query (the signature) of links in tables' }),
  },
  closed,
);
export type ClaimXConfig = Static<typeof ClaimXConfig>;
