import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

/** Where clients are led: loopback too, but not where the broker listens, which tells them the port that it has itself. */
export const PROXY_HOST = '127.0.0.2';

/** Why there can be no proxy here, said loudly, or false. macOS has no second loopback address until `ifconfig lo0 alias 127.0.0.2`. */
export async function proxyMissing(): Promise<string | false> {
  const server = createServer().listen(0, PROXY_HOST);
  try {
    await once(server, 'listening');
  } catch (error) {
    const why = `no address ${PROXY_HOST} to listen on: ${String(error)}`;
    console.log(`*** SKIPPED: no run under disasters: ${why} ***`);
    return why;
  }
  server.close();
  return false;
}

/** A way to the broker that can fail as networks do. */
export interface LossyProxy extends AsyncDisposable {
  /** Ends every connection at once. How many there were. */
  cut(): number;
  /** No byte passes any more, and nobody is told: neither on the connections that are there nor on new ones. */
  swallow(): void;
  /** New connections pass again. Those that were swallowed are reset, as by a router that has forgotten them. */
  pass(): void;
}

export async function openProxy(port: number): Promise<LossyProxy> {
  const sockets = new Set<Socket>();
  let isPassing = true;
  const own = (socket: Socket): Socket => {
    sockets.add(socket);
    // What an end of a connection fails of is the other end's end.
    return socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy());
  };
  const server = createServer((client) => {
    own(client);
    if (!isPassing) return;
    const broker = own(connect(port, '127.0.0.1'));
    client.pipe(broker).pipe(client);
    client.on('close', () => broker.destroy());
    broker.on('close', () => client.destroy());
  });
  server.listen(port, PROXY_HOST);
  await once(server, 'listening');
  const cut = (): number => {
    const { size } = sockets;
    for (const socket of sockets) socket.resetAndDestroy();
    return size;
  };
  return {
    cut,
    swallow() {
      isPassing = false;
      for (const socket of sockets) socket.unpipe().pause();
    },
    pass() {
      isPassing = true;
      cut();
    },
    async [Symbol.asyncDispose]() {
      cut();
      server.close();
      await once(server, 'close');
    },
  };
}
