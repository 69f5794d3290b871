import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { test } from 'node:test';
import { openSocket } from '../../../host/src/kafka/socket.ts';

test('a closed socket keeps nothing, however often it is let go of: an outage may last', async () => {
  await using server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const socket = openSocket({ host: '127.0.0.1', port, ssl: undefined as never, onConnect: () => {} });
  await once(socket, 'connect');
  socket.destroy();
  await once(socket, 'close');
  const before = socket.listenerCount('connect');
  for (let tries = 0; tries < 20; tries++) socket.unref();
  assert.equal(socket.listenerCount('connect'), before);
});
