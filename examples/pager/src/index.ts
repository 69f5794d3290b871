/** Reads the alarms of another plugin, knowing nothing of it but its topic, and pages whoever is on duty. */
import {
  type Codec,
  definePlugin,
  defineTopic,
  defineWorker,
  done,
  externalTopic,
  Id,
  output,
  skip,
  Timestamp,
  Type,
} from '@pipeline-host/sdk';

const Config = Type.Object({ duty: Type.Record(Type.String(), Type.String(), { default: {}, description: 'who is paged, by room' }) });

/** The alarm as it is told here; the other plugin's message has degrees Celsius as a number. */
const Alarm = Type.Object({ room: Id(), fahrenheit: Type.Integer(), since: Timestamp() });

const alarmCodec: Codec = {
  name: 'alarm-in-fahrenheit',
  decode: (bytes) => {
    const { celsius, ...alarm }: { readonly celsius: unknown } = JSON.parse(Buffer.from(bytes).toString('utf8'));
    if (typeof celsius !== 'number') throw new TypeError('its degrees are no number');
    return { ...alarm, fahrenheit: Math.round(celsius * 1.8 + 32) };
  },
  encode: (alarm) => JSON.stringify(alarm),
};
export const alarms = externalTopic('thermostat.alarms', Alarm, { codec: alarmCodec });

/** One line with a bar, as the pagers read it. */
const Page = Type.Object({ to: Id(), text: Type.String({ maxLength: 80 }) });

const lineCodec: Codec = {
  name: 'line',
  decode: (bytes) => {
    const [to, text] = Buffer.from(bytes).toString('utf8').split('|');
    return { to, text };
  },
  encode: (page) => Object.values(page as object).join('|'),
};
export const pages = defineTopic('pages', Page, { key: ({ to }) => to, codec: lineCodec });

export const pager = defineWorker({
  consumes: alarms,
  produces: [pages],
  config: Config,
  onRetry: 'hold',
  handle: ({ room, fahrenheit, since }, { config }) => {
    const to = config.duty[room];
    return to === undefined ? skip('nobody on duty') : done([output(pages, { to, text: `${room}: ${fahrenheit} °F since ${since}` })]);
  },
});

export default definePlugin({ name: 'pager', config: Config, topics: [pages], workers: { pager } });
