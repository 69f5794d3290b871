import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import type { Log } from '@pipeline-host/sdk';
import type { DeadLetters } from '../dlq/dead-letters.ts';
import type { HostStatus } from '../engine/status.ts';
import { requireBearer } from './bearer-auth.ts';
import { deadLetterRoutes } from './dead-letter-routes.ts';
import { ProblemView } from './problem.ts';
import { StatusView, statusView } from './status-view.ts';

export interface AdminApiOptions {
  /** Bearer token; without one every route answers 403. */
  readonly token: string | undefined;
  /** Whom the audit names for it. */
  readonly name: string;
  readonly deadLetters: DeadLetters;
  readonly status: () => HostStatus;
  readonly log: Log;
}

/** Everything below `/admin/v1`, behind the token. */
export const adminApi: FastifyPluginAsyncTypebox<AdminApiOptions> = async (app, { token, name, deadLetters, status, log }) => {
  app.addHook('onRequest', requireBearer(token));
  // A form or plain text is what a browser can be made to send from anywhere.
  app.removeContentTypeParser('text/plain');
  app.get(
    '/status',
    {
      schema: {
        tags: ['status'],
        security: [{ bearer: [] }],
        summary: 'What this process runs, and how it is',
        response: { 200: StatusView, 401: ProblemView, 403: ProblemView, 500: ProblemView },
      },
    },
    async () => statusView(status()),
  );
  await app.register(deadLetterRoutes, { deadLetters, actor: name, log });
  app.get('/openapi.json', { schema: { hide: true } }, async () => app.swagger());
};
