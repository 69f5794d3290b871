import {
  column,
  day,
  definePlugin,
  defineTable,
  defineTableWriter,
  defineTopic,
  joined,
  lastPart,
  message,
  Nullable,
  type RowOf,
  Type,
  text,
  writtenAt,
} from '@pipeline-host/sdk';
import { BenchEvent, TEXTS } from '../events.ts';

const anything = Type.Optional(Type.Unknown());
const Event = Type.Object({
  ...BenchEvent.properties,
  eventId: anything,
  data: Type.Object({
    ...BenchEvent.properties.data.properties,
    originalAssignmentId: anything,
    xnAddress: anything,
    carrierId: anything,
    note: anything,
    author: anything,
    senderReviewerName: anything,
    senderReviewerEmail: anything,
    carrierReviewerName: anything,
    carrierReviewerEmail: anything,
    dateTime: anything,
    adm: anything,
    contact: anything,
    attachments: anything,
  }),
});

const events = defineTopic('events', Event, { key: (event) => event.traceId, partitions: 6 });

type TextColumn = keyof typeof TEXTS;
const each = <Value>(make: (path: (typeof TEXTS)[TextColumn]) => Value): Record<TextColumn, Value> =>
  Object.fromEntries(Object.entries(TEXTS).map(([name, path]) => [name, make(path)])) as Record<TextColumn, Value>;

const Row = Type.Object({
  ...each(() => Nullable(column.string())),
  attachments: Nullable(column.string()),
  status_subtype: Nullable(column.string()),
  ingested_at: column.timestamp(),
  event_date: column.date(),
  raw_json: column.string(),
  created_at: column.timestamp(),
  created_date: column.date(),
});
const byColumns = defineTable('events_by_columns', Row, { mode: 'append', partitionBy: ['event_date'] });
const byRows = defineTable('events_by_rows', Row, { mode: 'append', partitionBy: ['event_date'] });

type Message = Parameters<typeof events.key>[0];

const utf8 = new TextDecoder();

/** As an author would write `event.data?.contact?.name`: nothing is looked up twice. */
const PATHS = Object.entries(TEXTS).map(([name, path]) => [name as TextColumn, path.split('.')] as const);

function rowOf(event: Message, raw: string, at: string): RowOf<typeof byRows> {
  const texts = {} as Record<TextColumn, string | null>;
  for (const [name, path] of PATHS) texts[name] = textAt(event, path);
  return {
    ...texts,
    attachments: Array.isArray(event.data.attachments) ? event.data.attachments.join(',') : null,
    status_subtype: event.type.slice(event.type.lastIndexOf('.') + 1),
    ingested_at: event.utcDateTime,
    event_date: event.utcDateTime.slice(0, 10),
    raw_json: raw,
    created_at: at,
    created_date: at.slice(0, 10),
  };
}

function textAt(event: Message, path: readonly string[]): string | null {
  let value: unknown = event;
  for (const name of path) value = typeof value === 'object' && value !== null ? (value as Record<string, unknown>)[name] : null;
  return value === undefined || value === null ? null : typeof value === 'string' ? value : JSON.stringify(value);
}

/** The same 31 columns of the same events, in both ways that a table writer has. */
export default definePlugin({
  name: 'bench-events',
  topics: [events],
  tables: [byColumns, byRows],
  workers: {
    columns: defineTableWriter({
      consumes: events,
      writes: [byColumns],
      columns: {
        ...each(text),
        attachments: joined('data.attachments', ','),
        status_subtype: lastPart(text('type'), '.'),
        ingested_at: text('utcDateTime'),
        event_date: day(text('utcDateTime')),
        raw_json: message(),
        created_at: writtenAt(),
        created_date: day(writtenAt()),
      },
    }),
    rows: defineTableWriter({
      consumes: events,
      writes: [byRows],
      rows: (event, { record, writtenAt: at }) => ({ events_by_rows: [rowOf(event, utf8.decode(record.value ?? undefined), at)] }),
    }),
  },
});
