import { alterConfigsApi, BROKER_RESOURCE, type DescribeConfigsResponse, describeConfigsApi, TOPIC_RESOURCE } from '../api/configs.ts';
import { type BrokerParts, NODE_ID } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import { type Route, route } from '../server/router.ts';
import { defaultTopicConfig, findConfigFault } from '../topics/topic-config.ts';
import { storing } from './storing.ts';

type ConfigEntry = DescribeConfigsResponse['resources'][number]['entries'][number];

/** Settings of topics, which can be changed, and of the broker, which can be looked at. */
export function configRoutes({ topics, settings }: BrokerParts): readonly Route[] {
  const entriesOf = (type: number, name: string): readonly ConfigEntry[] | undefined => {
    if (type === BROKER_RESOURCE && (name === String(NODE_ID) || name === '')) return brokerEntries();
    const own = type === TOPIC_RESOURCE ? topics.get(name)?.config : undefined;
    if (!own) return undefined;
    return Object.entries({ ...defaultTopicConfig(settings), ...own }).map(([key, value]) => ({
      name: key,
      value,
      isDefault: own[key] === undefined,
      readOnly: false,
    }));
  };
  const brokerEntries = (): readonly ConfigEntry[] =>
    Object.entries({
      'auto.create.topics.enable': String(settings.autoCreateTopics),
      'broker.id': String(NODE_ID),
      'default.replication.factor': '1',
      'log.segment.bytes': String(settings.segmentBytes),
      'message.max.bytes': String(settings.maxMessageBytes),
      'num.partitions': '1',
      'offset.metadata.max.bytes': '4096',
      'socket.request.max.bytes': String(settings.maxRequestBytes),
    }).map(([name, value]) => ({ name, value, isDefault: false, readOnly: true }));

  return [
    route(describeConfigsApi, ({ resources }) => ({
      resources: resources.map(({ type, name, keys }) => {
        const entries = entriesOf(type, name);
        if (!entries) {
          const error = type === TOPIC_RESOURCE ? ErrorCode.UNKNOWN_TOPIC_OR_PARTITION : ErrorCode.INVALID_REQUEST;
          return { type, name, error, entries: [] };
        }
        return { type, name, error: ErrorCode.NONE, entries: entries.filter((entry) => keys === null || keys.includes(entry.name)) };
      }),
    })),
    // As in Kafka this call replaces all settings of the topic: what it does not name goes back to its default.
    route(alterConfigsApi, ({ resources, validateOnly }) => ({
      resources: resources.map(({ type, name, config }) => {
        const result = (error: number, message: string | null = null) => ({ type, name, error, message });
        if (type !== TOPIC_RESOURCE) return result(ErrorCode.INVALID_REQUEST, 'Only the settings of topics can be changed.');
        if (!topics.get(name)) return result(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION);
        const wanted = Object.fromEntries(config.flatMap(([key, value]) => (value === null ? [] : [[key, value] as const])));
        const fault = findConfigFault(wanted, settings);
        if (fault !== undefined) return result(ErrorCode.INVALID_CONFIG, fault);
        if (validateOnly) return result(ErrorCode.NONE);
        return result(
          storing(settings.log, `change the settings of ${name}`, () => {
            topics.setConfig(name, wanted);
            return ErrorCode.NONE;
          }),
        );
      }),
    })),
  ];
}
