import { isIPv6 } from 'node:net';
import type { TypeBoxTypeProvider } from '@fastify/type-provider-typebox';
import { type Log, PipelineError } from '@pipeline-host/sdk';
import { type FastifyInstance, type FastifyReply, fastify } from 'fastify';
import type { DeadLetters } from '../dlq/dead-letters.ts';
import type { HostStatus } from '../engine/status.ts';
import type { HostMetrics } from '../observability/metrics.ts';
import { HOST_VERSION } from '../version.ts';
import { requireBearer } from './bearer-auth.ts';
import { LONGEST_ID } from './dead-letter-routes.ts';
import { watchEventLoop } from './event-loop-watch.ts';
import { Health, liveness, readiness } from './health.ts';
import { PROBLEM_TYPE, problem, problemOf } from './problem.ts';

export interface AdminServerOptions {
  /** Default 127.0.0.1. */
  readonly host?: string;
  /** Default 0: a free one, found in the `url`. */
  readonly port?: number;
  readonly status: () => HostStatus;
  readonly metrics: HostMetrics;
  readonly log: Log;
  /** What `/admin/v1` shows and changes, and the token that it wants. */
  readonly admin: { readonly token: string | undefined; readonly name: string; readonly deadLetters: DeadLetters };
  /** Milliseconds for which the event loop may stand still before liveness fails. Default 10,000. */
  readonly blockedLimit?: number;
}

export interface AdminServer {
  /** `http://127.0.0.1:41234`, without a slash at its end. */
  readonly url: string;
  /** Open connections are cut. Safe to call twice. */
  close(): Promise<void>;
}

/**
 * Health and metrics over HTTP: `/health/live`, `/health/ready` (200 or 503 with the reasons) and `/metrics`; behind a
 * bearer token, the admin API below `/admin/v1`.
 *
 * Listening when the promise resolves. @throws PipelineError `PH_HTTP_PORT_IN_USE`, `PH_HTTP_PORT_DENIED`,
 * `PH_HTTP_HOST_UNKNOWN`
 */
export async function startAdminServer(options: AdminServerOptions): Promise<AdminServer> {
  const host = options.host ?? '127.0.0.1';
  const port = options.port ?? 0;
  const app = fastify({
    forceCloseConnections: true,
    // Fastify's default drops unknown properties of bodies in silence.
    ajv: { customOptions: { removeAdditional: false } },
    requestTimeout: 10_000,
    bodyLimit: 64 * 1024,
    // A cursor names each partition of each queue, and Node's default of 16 KiB ends at some hundreds.
    http: { maxHeaderSize: 128 * 1024 },
    // The name of a topic alone may be longer than Fastify's default of 100.
    routerOptions: { maxParamLength: LONGEST_ID },
    // A URL that cannot be decoded, or an id that is too long, never gets to the error handler.
    frameworkErrors: (error, _request, reply) => {
      const body = problemOf(error);
      (reply as FastifyReply).code(body.status).type(PROBLEM_TYPE).send(body);
    },
  }).withTypeProvider<TypeBoxTypeProvider>();
  const loop = watchEventLoop({ limit: options.blockedLimit ?? 10_000, remember: 30_000 });

  app.addHook('onSend', async (_request, reply) => {
    reply.header('cache-control', 'no-store').header('x-content-type-options', 'nosniff');
  });
  app.setNotFoundHandler((request, reply) =>
    reply
      .code(404)
      .type(PROBLEM_TYPE)
      .send(problem(404, 'PH_ADMIN_NOT_FOUND', 'Not found', `${request.method} ${request.url}`)),
  );
  app.setErrorHandler((error, request, reply) => {
    const body = problemOf(error);
    if (body.status >= 500) options.log.error({ error, method: request.method, url: request.url }, 'admin request failed');
    return reply.code(body.status).type(PROBLEM_TYPE).send(body);
  });

  await registerAdminApi(app, options);
  app.get('/health/live', { schema: { response: { 200: Health, 503: Health } } }, async (_request, reply) => {
    const body = liveness(options.status(), loop.blockedFor());
    return reply.code(body.status === 'ok' ? 200 : 503).send(body);
  });
  app.get('/health/ready', { schema: { response: { 200: Health, 503: Health } } }, async (_request, reply) => {
    const body = readiness(options.status());
    return reply.code(body.status === 'ok' ? 200 : 503).send(body);
  });
  app.get('/metrics', async (_request, reply) => {
    const { contentType, body } = await options.metrics.render();
    return reply.type(contentType).send(body);
  });

  try {
    await app.listen({ host, port });
  } catch (error) {
    loop.stop();
    await app.close();
    throw listenFailure(error, host, port);
  }
  const address = app.server.address();
  const chosen = typeof address === 'object' && address !== null ? address.port : port;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${isIPv6(host) ? `[${host}]` : host}:${chosen}`,
    close() {
      loop.stop();
      closing ??= app.close();
      return closing;
    },
  };
}

/** The routes and their description are loaded where a token lets somebody in; without one there is nothing but the refusal. */
async function registerAdminApi(app: FastifyInstance, { admin, status, log }: AdminServerOptions): Promise<void> {
  const prefix = '/admin/v1';
  const { token } = admin;
  if (token === undefined) {
    app.all(`${prefix}/*`, { onRequest: requireBearer(token) }, () => {});
    return;
  }
  const [{ fastifySwagger }, { adminApi }] = await Promise.all([import('@fastify/swagger'), import('./admin-api.ts')]);
  await app.register(fastifySwagger, {
    openapi: {
      openapi: '3.1.0',
      info: { title: 'pipeline-host', version: HOST_VERSION },
      components: { securitySchemes: { bearer: { type: 'http', scheme: 'bearer' } } },
    },
  });
  await app.register(adminApi, { prefix, status, log, ...admin, token });
}

function listenFailure(cause: unknown, host: string, port: number): unknown {
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  const place = `http.host ${host}, http.port ${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return new PipelineError('PH_HTTP_PORT_IN_USE', `another process listens on ${host}:${port}`, { place, cause });
    case 'EACCES':
      return new PipelineError('PH_HTTP_PORT_DENIED', `this user may not listen on ${host}:${port}`, { place, cause });
    case 'EADDRNOTAVAIL':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new PipelineError('PH_HTTP_HOST_UNKNOWN', `${host} is no address of this machine`, { place, cause });
    default:
      return cause;
  }
}
