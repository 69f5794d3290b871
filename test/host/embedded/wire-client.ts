import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { FrameReader } from '../../../host/src/embedded/server/frame-reader.ts';
import { WireReader } from '../../../host/src/embedded/wire/reader.ts';
import { WireWriter } from '../../../host/src/embedded/wire/writer.ts';

/** Speaks the protocol byte by byte, where a client library would not say what we want to hear. */
export class WireClient {
  readonly #socket: Socket;
  readonly #frames = new FrameReader(10 << 20);

  private constructor(socket: Socket) {
    this.#socket = socket;
  }

  static async open(address: string): Promise<WireClient> {
    const [host = '', port] = address.split(':');
    const socket = connect({ host, port: Number(port) });
    await once(socket, 'connect');
    return new WireClient(socket);
  }

  /** The body of the answer, behind the correlation id. */
  async call(key: number, version: number, write: (body: WireWriter) => void): Promise<WireReader> {
    const writer = new WireWriter().int16(key).int16(version).int32(7).string('wire');
    write(writer);
    for (const part of writer.frame()) this.#socket.write(part);
    for (;;) {
      const [chunk] = (await once(this.#socket, 'data')) as [Buffer];
      const [answer] = this.#frames.push(chunk);
      if (answer) return new WireReader(answer.subarray(4));
    }
  }

  close(): void {
    this.#socket.destroy();
  }
}
