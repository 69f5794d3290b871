import { createReadStream, statSync } from 'node:fs';
import type { Readable } from 'node:stream';
import { isPipelineError, PipelineError, type TopicDefinition } from '@pipeline-host/sdk';
import { createMessageCodec } from '../../engine/messages/message-codec.ts';

/** A line that is no message of the topic. */
export interface LineFault {
  /** From 1. */
  readonly line: number;
  readonly code: string;
  readonly message: string;
}

/** A message as it is sent. */
export interface PublishedLine {
  /** From 1. */
  readonly line: number;
  readonly key: string | null;
  readonly value: Buffer;
}

export type Lines = () => AsyncIterable<Buffer>;

const STANDARD_INPUT: ReadonlySet<string> = new Set(['-', '/dev/stdin', '/dev/fd/0']);

/**
 * The lines of a file, or of standard input for `-`, as often as they are asked for: a file is read again each time; what
 * can be read only once, such as standard input and pipes, is kept in memory.
 *
 * @throws PipelineError `PH_PUBLISH_FILE`
 */
export async function openLines(file: string): Promise<Lines> {
  if (STANDARD_INPUT.has(file)) return keepLines(process.stdin);
  const stats = statSync(file, { throwIfNoEntry: false });
  if (stats === undefined || stats.isDirectory()) {
    throw new PipelineError('PH_PUBLISH_FILE', stats === undefined ? `there is no file ${file}` : `${file} is a folder`, { place: file });
  }
  return stats.isFile() ? () => splitLines(createReadStream(file)) : keepLines(createReadStream(file));
}

async function keepLines(stream: Readable): Promise<Lines> {
  const kept = await Array.fromAsync(splitLines(stream));
  return async function* () {
    yield* kept;
  };
}

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);

/** Bytes between line breaks; they need not be text. A byte order mark before the first is left out. */
async function* splitLines(stream: Readable): AsyncGenerator<Buffer> {
  let rest: Buffer[] = [];
  let isFirst = true;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    let start = isFirst && chunk.subarray(0, 3).equals(BYTE_ORDER_MARK) ? 3 : 0;
    isFirst = false;
    for (let end = chunk.indexOf(0x0a); end !== -1; end = chunk.indexOf(0x0a, start)) {
      yield Buffer.concat([...rest, chunk.subarray(start, end)]);
      rest = [];
      start = end + 1;
    }
    if (start < chunk.length) rest.push(chunk.subarray(start));
  }
  if (rest.length > 0) yield Buffer.concat(rest);
}

/** Checks lines against a topic; blank ones and those before `fromLine` are passed over. The message keeps its bytes, in whichever shape it came. */
export function lineReader(
  topic: TopicDefinition,
  fromLine: number,
): (lines: AsyncIterable<Buffer>) => AsyncGenerator<{ readonly fault: LineFault } | PublishedLine> {
  if (topic.codec === 'bytes') {
    throw new PipelineError('PH_PUBLISH_FILE', `topic ${topic.name} holds bytes, which lines of JSON cannot give`, {
      place: `topic ${topic.name}`,
      hint: 'send them with a Kafka client of your own',
    });
  }
  const codec = createMessageCodec(topic);
  const read = (line: Buffer): Omit<PublishedLine, 'line'> => {
    if (topic.codec === 'json') return { key: topic.key(codec.decode(line)), value: line };
    const message: unknown = JSON.parse(line.toString('utf8'));
    return { key: topic.key(message), value: codec.encode(message) };
  };
  return async function* (lines) {
    let number = 0;
    for await (const raw of lines) {
      number++;
      if (number < fromLine) continue;
      const line = raw.at(-1) === 0x0d ? raw.subarray(0, -1) : raw;
      if (isBlank(line)) continue;
      let published: PublishedLine;
      try {
        published = { line: number, ...read(line) };
      } catch (error) {
        const [code, message] = isPipelineError(error)
          ? [error.code, error.message]
          : ['PH_MESSAGE_UNREADABLE', error instanceof SyntaxError ? 'not JSON' : String(error)];
        yield { fault: { line: number, code, message } };
        continue;
      }
      yield published;
    }
  };
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 0x20 || byte === 0x09);
}
