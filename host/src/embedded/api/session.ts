import { type Api, NO_THROTTLE } from './api.ts';

export interface ApiVersionsResponse {
  readonly error: number;
  readonly apis: readonly Pick<Api<never, never>, 'key' | 'versions'>[];
}

export const apiVersionsApi: Api<undefined, ApiVersionsResponse> = {
  key: 18,
  name: 'ApiVersions',
  versions: [0, 2],
  decode: () => undefined,
  encode: (writer, version, { error, apis }) => {
    writer.int16(error).array(apis, ({ key, versions: [oldest, newest] }) => writer.int16(key).int16(oldest).int16(newest));
    if (version >= 1) writer.int32(NO_THROTTLE);
  },
};

export interface SaslHandshakeResponse {
  readonly error: number;
  readonly mechanisms: readonly string[];
}

export const saslHandshakeApi: Api<{ readonly mechanism: string }, SaslHandshakeResponse> = {
  key: 17,
  name: 'SaslHandshake',
  versions: [0, 1],
  decode: (reader) => ({ mechanism: reader.string() }),
  encode: (writer, _version, { error, mechanisms }) => {
    writer.int16(error).array(mechanisms, (mechanism) => writer.string(mechanism));
  },
};

export interface SaslAuthenticateResponse {
  readonly error: number;
  readonly message: string | null;
}

export const saslAuthenticateApi: Api<{ readonly token: Buffer }, SaslAuthenticateResponse> = {
  key: 36,
  name: 'SaslAuthenticate',
  versions: [0, 1],
  decode: (reader) => ({ token: reader.bytes() }),
  encode: (writer, version, { error, message }) => {
    writer.int16(error).string(message).bytes(Buffer.alloc(0));
    if (version >= 1) writer.int64(0); // the session does not expire
  },
};
