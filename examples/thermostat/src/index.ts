import {
  column,
  day,
  definePlugin,
  defineTable,
  defineTableWriter,
  defineTopic,
  defineWorker,
  done,
  Id,
  output,
  skip,
  Timestamp,
  Type,
  text,
} from '@pipeline-host/sdk';

const Config = Type.Object({ limit: Type.Number({ default: 28, description: 'degrees Celsius above which a room is too hot' }) });

const Reading = Type.Object({ room: Id(), celsius: Type.Number(), at: Timestamp() });
const Alarm = Type.Object({ room: Id(), celsius: Type.Number(), since: Timestamp() });

export const readings = defineTopic('readings', Reading, { key: (reading) => reading.room });
export const alarms = defineTopic('alarms', Alarm, { key: (alarm) => alarm.room });

const readingsTable = defineTable(
  'thermostat_readings',
  Type.Object({ room: column.string(), celsius: column.double(), at: column.timestamp(), day: column.date() }),
  { mode: 'append', partitionBy: ['day'] },
);
const hottestTable = defineTable(
  'thermostat_alarms',
  Type.Object({ room: column.string(), celsius: column.double(), since: column.timestamp() }),
  { mode: 'merge', key: ['room'], columns: { since: 'preserve' } },
);

export const watcher = defineWorker({
  consumes: readings,
  produces: [alarms],
  config: Config,
  handle: ({ room, celsius, at }, ctx) =>
    celsius > ctx.config.limit ? done([output(alarms, { room, celsius, since: at })]) : skip('not too hot'),
});

export default definePlugin({
  name: 'thermostat',
  config: Config,
  topics: [readings, alarms],
  tables: [readingsTable, hottestTable],
  workers: {
    watcher,
    'reading-writer': defineTableWriter({
      consumes: readings,
      writes: [readingsTable],
      columns: { room: text('room'), celsius: text('celsius'), at: text('at'), day: day(text('at')) },
    }),
    'alarm-writer': defineTableWriter({
      consumes: alarms,
      writes: [hottestTable],
      rows: ({ room, celsius, since }) => ({ thermostat_alarms: [{ room, celsius, since }] }),
    }),
  },
});
