import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { readFile } from 'node:fs/promises';
import { serve } from './attachment-server.ts';
import { loopback, openHttp } from './fixture.ts';

test('a downloaded file is in the staging area in whole, with the hash of what the server sent', async () => {
  const content = Buffer.alloc(700_000, 'abcdefg');
  await using server = await serve((_, response) => response.setHeader('content-type', 'text/plain').end(content));
  await using fixture = await openHttp();
  const file = await fixture.http.download({ url: server.url('/a.txt?sig=secret'), fileName: 'a.txt', policy: loopback(server.host) });
  assert.deepEqual(
    { ...file, uri: undefined },
    { uri: undefined, bytes: content.length, sha256: createHash('sha256').update(content).digest('hex'), contentType: 'text/plain', httpStatus: 200 },
  );
  assert.match(file.uri, new RegExp(`^staging://${fixture.staging.id}/[0-9a-f-]{36}/a\\.txt$`));
  assert.deepEqual(await readFile(fixture.staging.localPath(file.uri)), content);
});
