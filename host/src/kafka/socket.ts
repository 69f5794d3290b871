import { connect as connectPlain, isIP } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { ISocketFactory } from 'kafkajs';

const KEEP_ALIVE_DELAY = 60_000;

/**
 * An address in the form that passes through kafkajs, which takes what stands before the first colon for the host
 * (2.2.4, cluster/connectionPoolBuilder.js): an IPv6 address in brackets goes with other signs, for {@link openSocket}.
 */
export function seedAddress(broker: string): string {
  const [, host, port] = /^(\[.*\]):(\d+)$/.exec(broker) ?? [];
  return host === undefined ? broker : `${host.replaceAll(':', '|')}:${port}`;
}

/** The sockets that kafkajs would make, and those of {@link seedAddress}. */
export const openSocket: ISocketFactory = ({ host: given, port, ssl, onConnect }) => {
  const host = /^\[.*\]$/.test(given) ? given.slice(1, -1).replaceAll('|', ':') : given;
  const socket = ssl
    ? connectTls({ host, port, ...(isIP(host) === 0 && { servername: host }), ...ssl }, onConnect)
    : connectPlain({ host, port }, onConnect);
  // With each try to connect kafkajs lets go of the closed one again (2.2.4, network/connection.js): Node would keep a listener each
  // time, and after ten tries of an outage warn of a leak.
  socket.once('close', () => {
    socket.unref = () => socket;
  });
  return socket.setKeepAlive(true, KEEP_ALIVE_DELAY);
};
