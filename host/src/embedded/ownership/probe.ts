import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { BrokerSettings } from '../options.ts';
import { FrameReader } from '../server/frame-reader.ts';
import { WireReader } from '../wire/reader.ts';
import { WireWriter } from '../wire/writer.ts';
import type { Endpoint } from './endpoint.ts';

const TIMEOUT_MS = 2_000;
const MAX_ANSWER_BYTES = 1 << 20;
const SASL_HANDSHAKE = 17;
const SASL_AUTHENTICATE = 36;
const METADATA = 3;

/** Asks whoever listens at `endpoint` for its cluster id: a port may long belong to someone else. Undefined when nobody answers. */
export async function askClusterId(endpoint: Endpoint, settings: BrokerSettings): Promise<string | undefined> {
  const { host, port } = endpoint;
  const socket = settings.tls
    ? connectTls({ host, port, ...(settings.tls.ca && { ca: settings.tls.ca }), rejectUnauthorized: false })
    : connectTcp({ host, port });
  try {
    return await withTimeout(converse(socket, settings), socket);
  } catch {
    return undefined;
  } finally {
    socket.destroy();
  }
}

async function converse(socket: Socket, settings: BrokerSettings): Promise<string> {
  const ask = makeAsker(socket);
  const [user] = Object.entries(settings.sasl?.users ?? {});
  if (user) {
    await ask(SASL_HANDSHAKE, 1, (writer) => writer.string('PLAIN'));
    await ask(SASL_AUTHENTICATE, 0, (writer) => writer.bytes(Buffer.from(`\0${user[0]}\0${user[1]}`)));
  }
  const answer = await ask(METADATA, 2, (writer) => writer.array([], () => {}));
  answer.array(() => [answer.int32(), answer.string(), answer.int32(), answer.nullableString()]); // brokers
  return answer.string();
}

type Ask = (key: number, version: number, write: (writer: WireWriter) => void) => Promise<WireReader>;

function makeAsker(socket: Socket): Ask {
  const frames = new FrameReader(MAX_ANSWER_BYTES);
  let correlationId = 0;
  return (key, version, write) =>
    new Promise((resolve, reject) => {
      socket.once('error', reject);
      socket.once('close', () => reject(new Error('closed')));
      const receive = (chunk: Buffer): void => {
        try {
          const [frame] = frames.push(chunk);
          if (!frame) return;
          socket.off('data', receive);
          const reader = new WireReader(frame);
          reader.int32(); // correlation id: one question at a time
          resolve(reader);
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      };
      socket.on('data', receive);
      const writer = new WireWriter().int16(key).int16(version).int32(correlationId++).string('pipeline-host-probe');
      write(writer);
      for (const part of writer.frame()) socket.write(part);
    });
}

async function withTimeout<T>(work: Promise<T>, socket: Socket): Promise<T> {
  const timer = setTimeout(() => socket.destroy(new Error('timed out')), TIMEOUT_MS);
  try {
    return await work;
  } finally {
    clearTimeout(timer);
  }
}
