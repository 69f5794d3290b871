import { type Static, Type } from '@sinclair/typebox';
import { type DeadLetter, textOf } from '../dlq/dead-letter.ts';
import type { DisposedLetter } from '../dlq/dead-letters.ts';
import type { Disposition } from '../dlq/disposition.ts';
import type { ListedLetter } from '../dlq/page.ts';
import type { LocatedRecord, RecordHeaders } from '../kafka/driver.ts';
import { redactText } from '../observability/redact.ts';

/** UTF-16 units of a value that a list shows. */
const PREVIEW = 300;
const LONGEST_KEY = 500;

const Text = Type.Union([Type.String(), Type.Null()]);

export const DispositionState = Type.Union(
  [Type.Literal('open'), Type.Literal('replaying'), Type.Literal('replayed'), Type.Literal('discarded')],
  {
    description:
      'open: nothing was done. replaying: a replay was claimed and is being sent. replayed: it stands in the lane of its worker.',
  },
);

export const DispositionView = Type.Object({
  state: DispositionState,
  replays: Type.Integer({ description: 'how often it was replayed' }),
  history: Type.Array(
    Type.Object({
      what: Type.Union([Type.Literal('replaying'), Type.Literal('replayed'), Type.Literal('abandoned'), Type.Literal('discarded')]),
      at: Type.String(),
      actor: Text,
      reason: Text,
      target: Type.Union([
        Type.Object({ topic: Type.String(), partition: Type.Integer(), offset: Type.Union([Type.Integer(), Type.Null()]) }),
        Type.Null(),
      ]),
    }),
  ),
});

const letter = {
  id: Type.String({ description: 'queue:partition:offset' }),
  plugin: Text,
  pluginVersion: Text,
  worker: Text,
  stage: Type.Union([Type.String(), Type.Null()], { description: 'decode, handle or write' }),
  attempts: Type.Integer({ description: 'failed attempts' }),
  error: Type.Object({ code: Text, name: Text, message: Text }),
  origin: Type.Object({
    cluster: Type.String(),
    topic: Type.String(),
    partition: Type.Integer(),
    offset: Type.String(),
    timestamp: Type.Number({ description: 'epoch milliseconds of the record' }),
  }),
  firstFailedAt: Text,
  failedAt: Text,
  storedAt: Type.String({ description: 'when the dead letter was written; lists are sorted and filtered by it' }),
  key: Text,
  trace: Type.Union([Type.String(), Type.Null()], { description: 'header trace_id, else the key: as in the log lines of the worker' }),
  parent: Type.Union([Type.String(), Type.Null()], { description: 'the dead letter whose replay failed and became this one' }),
  bytes: Type.Union([Type.Integer(), Type.Null()], { description: 'of the value' }),
  payload: Type.Union([Type.String(), Type.Null()], {
    description: 'where the record was too large for the topic: SHA-256 of the object in storage.files that holds it; else null',
  }),
  disposition: DispositionView,
};

export const ListedView = Type.Object({
  ...letter,
  preview: Type.Union([Type.String(), Type.Null()], {
    description:
      'the beginning of the value, without secrets and the queries of signed URLs; null where it is no text, or stands in storage',
  }),
});

export const PageView = Type.Object({
  items: Type.Array(ListedView),
  cursor: Type.Union([Type.String(), Type.Null()], { description: 'of the next page; null at the end. A page may be short and have one.' }),
});

const Bytes = Type.Object({
  base64: Type.String(),
  text: Type.Union([Type.String(), Type.Null()], { description: 'null where the bytes are not UTF-8' }),
});

export const WholeView = Type.Object({
  ...letter,
  record: Type.Object({
    topic: Type.String(),
    partition: Type.Integer(),
    offset: Type.Integer(),
    key: Type.Union([Bytes, Type.Null()]),
    value: Type.Union([Bytes, Type.Null()]),
    json: Type.Optional(
      Type.Unknown({ description: 'the value as JSON, where it is; digits beyond those of a double are only in its text' }),
    ),
    headers: Type.Array(Type.Object({ name: Type.String(), value: Type.Union([Bytes, Type.Null()]) }), {
      description: 'a name that repeats stands here as often',
    }),
  }),
});

export function dispositionView({ state, replays, history }: Disposition): Static<typeof DispositionView> {
  return { state, replays, history: [...history] };
}

/** Nothing that signs or authenticates: it may stand on a screen that others see. */
export function listedView({ letter: found, start, disposition }: DisposedLetter<ListedLetter>): Static<typeof ListedView> {
  const text = start === null || found.payload !== null ? null : textOf(start);
  return {
    ...letterView(found, disposition),
    key: found.key === null ? null : redactText(found.key, LONGEST_KEY),
    trace: found.trace === null ? null : redactText(found.trace, LONGEST_KEY),
    preview: text === null ? null : redactText(text, PREVIEW),
  };
}

/** Everything, byte for byte. */
export function wholeView({
  letter: found,
  record,
  disposition,
}: DisposedLetter<{ readonly record: LocatedRecord }>): Static<typeof WholeView> {
  const { topic, partition, offset, key, value, headers } = record;
  return {
    ...letterView(found, disposition),
    record: {
      topic,
      partition,
      offset,
      key: key === null ? null : bytesView(key),
      value: value === null ? null : bytesView(value),
      json: jsonOf(value),
      headers: Object.entries(headers).flatMap(([name, given]) =>
        valuesOf(given).map((value) => ({ name, value: value === null ? null : bytesView(value) })),
      ),
    },
  };
}

function letterView(found: DeadLetter, disposition: Disposition) {
  const { id, plugin, pluginVersion, worker, stage, attempts, error, origin, firstFailedAt, failedAt, key, trace, parent, bytes, payload } =
    found;
  return {
    id,
    plugin,
    pluginVersion,
    worker,
    stage,
    attempts,
    error: { ...error, message: error.message === null ? null : redactText(error.message) },
    origin,
    firstFailedAt,
    failedAt,
    storedAt: new Date(found.storedAt).toISOString(),
    key,
    trace,
    parent,
    bytes,
    payload,
    disposition: dispositionView(disposition),
  };
}

function valuesOf(given: RecordHeaders[string]): readonly (Buffer | null)[] {
  if (given === undefined) return [null];
  return [given].flat().map((one) => (typeof one === 'string' ? Buffer.from(one) : one));
}

function bytesView(bytes: Buffer): Static<typeof Bytes> {
  return { base64: bytes.toString('base64'), text: textOf(bytes) };
}

/** Undefined, and so left out, where the value is no JSON. */
function jsonOf(value: Buffer | null): unknown {
  try {
    return JSON.parse((value === null ? null : textOf(value)) ?? '');
  } catch {
    return undefined;
  }
}
