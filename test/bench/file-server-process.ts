import { fork } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';

/** A server of files in a process of its own. */
export interface FileServer extends AsyncDisposable {
  /** `host:port`, as an allow list wants it. */
  readonly host: string;
  /** Where a file of so many bytes is, whose answer begins after so many milliseconds. */
  url(bytes: number, wait: number): string;
}

export async function startFileServer(): Promise<FileServer> {
  const child = fork(new URL(import.meta.url), ['serve'], { execArgv: process.execArgv });
  const [{ port }] = (await once(child, 'message')) as [{ readonly port: number }];
  const host = `127.0.0.1:${port}`;
  return {
    host,
    url: (bytes, wait) => `http://${host}/file.pdf?bytes=${bytes}&wait=${wait}`,
    async [Symbol.asyncDispose]() {
      child.kill('SIGTERM');
      if (child.exitCode === null) await once(child, 'exit');
    },
  };
}

const [, script, serve] = process.argv;
if (process.send !== undefined && serve === 'serve' && script?.includes('file-server-process') === true) {
  const bodies = new Map<number, Buffer>();
  const server = createServer((request, response) => {
    const query = new URL(request.url ?? '/', 'http://file.server').searchParams;
    const bytes = Number(query.get('bytes'));
    const body = bodies.get(bytes) ?? randomBytes(bytes);
    bodies.set(bytes, body);
    setTimeout(
      () => {
        response.writeHead(200, { 'content-type': 'application/pdf', 'content-length': bytes }).end(body);
      },
      Number(query.get('wait')),
    );
  });
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as AddressInfo).port }));
}
