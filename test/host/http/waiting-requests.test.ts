import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { test } from 'node:test';
import { serve } from './attachment-server.ts';
import { openHttp } from './fixture.ts';

/** undici tells of each request that it writes to a socket. */
const CHANNEL = 'undici:client:sendHeaders';

test('requests that wait for a place have gone out before the answer that gave it is worked on', async () => {
  const sent: string[] = [];
  const note = (message: unknown): void => {
    sent.push((message as { readonly request: { readonly path: string } }).request.path);
  };
  await using server = await serve((_, response) => response.writeHead(200).end('{}'));
  await using fixture = await openHttp();
  const api = fixture.http.api({ name: 'shop', baseUrl: server.url('/v1'), privateRanges: ['127.0.0.1/32'], concurrency: 1 });
  subscribe(CHANNEL, note);
  try {
    for (let round = 0; round < 5; round++) {
      const seen = api.request({ path: `/first/${round}` }).then(() => [...sent]);
      const second = api.request({ path: `/second/${round}` });
      assert.ok((await seen).includes(`/v1/second/${round}`), `round ${round}`);
      await second;
    }
  } finally {
    unsubscribe(CHANNEL, note);
  }
});
