import { type Api, NO_THROTTLE } from './api.ts';

/** Resource types of the protocol. */
export const TOPIC_RESOURCE = 2;
export const BROKER_RESOURCE = 4;

export interface DescribeConfigsRequest {
  readonly resources: readonly { readonly type: number; readonly name: string; readonly keys: readonly string[] | null }[];
}

export interface DescribeConfigsResponse {
  readonly resources: readonly {
    readonly type: number;
    readonly name: string;
    readonly error: number;
    readonly entries: readonly { readonly name: string; readonly value: string; readonly isDefault: boolean; readonly readOnly: boolean }[];
  }[];
}

const SOURCE_TOPIC = 1;
const SOURCE_STATIC_BROKER = 4;
const SOURCE_DEFAULT = 5;
const TYPE_STRING = 2;

export const describeConfigsApi: Api<DescribeConfigsRequest, DescribeConfigsResponse> = {
  key: 32,
  name: 'DescribeConfigs',
  versions: [0, 3],
  decode: (reader, version) => {
    const resources = reader.array(() => ({
      type: reader.int8(),
      name: reader.string(),
      keys: reader.nullableArray(() => reader.string()),
    }));
    if (version >= 1) reader.boolean(); // include synonyms
    if (version >= 3) reader.boolean(); // include documentation
    return { resources };
  },
  encode: (writer, version, { resources }) => {
    writer.int32(NO_THROTTLE).array(resources, ({ type, name, error, entries }) => {
      writer.int16(error).string(null).int8(type).string(name);
      writer.array(entries, (entry) => {
        writer.string(entry.name).string(entry.value).boolean(entry.readOnly);
        if (version === 0) writer.boolean(entry.isDefault);
        else writer.int8(entry.isDefault ? SOURCE_DEFAULT : type === TOPIC_RESOURCE ? SOURCE_TOPIC : SOURCE_STATIC_BROKER);
        writer.boolean(false); // sensitive
        if (version >= 1) writer.int32(0); // synonyms
        if (version >= 3) writer.int8(TYPE_STRING).string(null);
      });
    });
  },
  touches: ({ resources }) => resources.filter(({ type }) => type === TOPIC_RESOURCE).map(({ name }) => ({ topic: name })),
};

export interface AlterConfigsRequest {
  readonly resources: readonly {
    readonly type: number;
    readonly name: string;
    readonly config: readonly (readonly [name: string, value: string | null])[];
  }[];
  readonly validateOnly: boolean;
}

export interface AlterConfigsResponse {
  readonly resources: readonly { readonly type: number; readonly name: string; readonly error: number; readonly message: string | null }[];
}

export const alterConfigsApi: Api<AlterConfigsRequest, AlterConfigsResponse> = {
  key: 33,
  name: 'AlterConfigs',
  versions: [0, 1],
  decode: (reader) => ({
    resources: reader.array(() => ({
      type: reader.int8(),
      name: reader.string(),
      config: reader.array((): [string, string | null] => [reader.string(), reader.nullableString()]),
    })),
    validateOnly: reader.boolean(),
  }),
  encode: (writer, _version, { resources }) => {
    writer
      .int32(NO_THROTTLE)
      .array(resources, ({ type, name, error, message }) => writer.int16(error).string(message).int8(type).string(name));
  },
  touches: ({ resources }) => resources.filter(({ type }) => type === TOPIC_RESOURCE).map(({ name }) => ({ topic: name })),
};
