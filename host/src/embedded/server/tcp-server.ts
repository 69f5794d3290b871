import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import type { EmbeddedBrokerOptions } from '../options.ts';
import { Connection, type ConnectionOptions } from './connection.ts';

/** Listens and keeps track of the connections. */
export class TcpServer {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();

  constructor(options: ConnectionOptions, tls: EmbeddedBrokerOptions['tls']) {
    const accept = (socket: Socket): void => {
      const connection = new Connection(socket, options);
      this.#connections.add(connection);
      void connection.finished.then(() => this.#connections.delete(connection));
    };
    this.#server = tls ? createTlsServer({ key: tls.key, cert: tls.cert }, accept) : createServer(accept);
    this.#server.on('tlsClientError', (error: Error) => options.log('warn', `connection closed: TLS: ${error.message}`));
  }

  /** The port in use. Rejects with the system's error, for example EADDRINUSE. */
  async listen(host: string, port: number): Promise<number> {
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    return (this.#server.address() as AddressInfo).port;
  }

  /** Takes no more connections, ends those that are open and waits for their last requests. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    const open = [...this.#connections];
    for (const connection of open) connection.close();
    await Promise.all(open.map((connection) => connection.finished));
    await closed;
  }
}
