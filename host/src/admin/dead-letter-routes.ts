import type { FastifyPluginAsyncTypebox } from '@fastify/type-provider-typebox';
import { isPipelineError, type Log } from '@pipeline-host/sdk';
import { Type } from '@sinclair/typebox';
import type { FastifyRequest } from 'fastify';
import type { DeadLetters } from '../dlq/dead-letters.ts';
import type { Disposition } from '../dlq/disposition.ts';
import { DispositionState, DispositionView, dispositionView, listedView, PageView, WholeView, wholeView } from './dead-letter-view.ts';
import { ProblemView } from './problem.ts';

const closed = { additionalProperties: false } as const;
const Name = Type.Optional(Type.String({ minLength: 1, maxLength: 500 }));

const Query = Type.Object(
  {
    plugin: Name,
    worker: Name,
    code: Name,
    stage: Type.Optional(Type.Union([Type.Literal('decode'), Type.Literal('handle'), Type.Literal('write')])),
    key: Name,
    trace: Name,
    disposition: Type.Optional(DispositionState),
    from: Type.Optional(Type.String({ format: 'date-time', description: 'written at this time or later' })),
    to: Type.Optional(Type.String({ format: 'date-time', description: 'written before this time' })),
    limit: Type.Integer({ minimum: 1, maximum: 500, default: 50 }),
    cursor: Type.Optional(Type.String({ maxLength: 100_000, description: 'of the page before' })),
  },
  closed,
);
/** Characters: a cluster and a topic, each of up to 249, a partition and an offset. */
export const LONGEST_ID = 600;
const Params = Type.Object({ id: Type.String({ minLength: 1, maxLength: LONGEST_ID }) }, closed);
const Reason = Type.String({ minLength: 1, maxLength: 1_000, description: 'for whoever looks later' });
const ReplayBody = Type.Object(
  {
    reason: Type.Optional(Reason),
    again: Type.Boolean({ default: false, description: 'also where it was replayed or discarded before' }),
  },
  closed,
);
const DiscardBody = Type.Object({ reason: Reason }, closed);
const Changed = Type.Object({ id: Type.String(), disposition: DispositionView });

const problems = { 400: ProblemView, 401: ProblemView, 403: ProblemView, 500: ProblemView, 503: ProblemView } as const;
const ofOne = { ...problems, 404: ProblemView, 414: ProblemView } as const;
const ofChange = { ...ofOne, 409: ProblemView, 413: ProblemView, 415: ProblemView, 422: ProblemView } as const;
const about = { tags: ['dead letters'], security: [{ bearer: [] }] };

export interface DeadLetterRoutesOptions {
  readonly deadLetters: DeadLetters;
  /** Whom the audit names. */
  readonly actor: string;
  readonly log: Log;
}

/** The list, one whole, replay and discard. */
export const deadLetterRoutes: FastifyPluginAsyncTypebox<DeadLetterRoutesOptions> = async (app, { deadLetters, actor, log }) => {
  /** Says who changes what before it happens and after: the line before is there whatever happens to the process. */
  const audited = async (request: FastifyRequest, action: string, id: string, change: () => Promise<Disposition>) => {
    const audit = { audit: action, actor, deadLetter: id, request: request.id, remote: request.ip };
    log.info({ ...audit, outcome: 'initiated' }, `${action} of dead letter ${id} by ${actor}`);
    try {
      const disposition = await change();
      log.info({ ...audit, outcome: 'succeeded' }, `${action} of dead letter ${id} by ${actor} succeeded`);
      return { id, disposition: dispositionView(disposition) };
    } catch (error) {
      const code = isPipelineError(error) ? error.code : 'PH_ADMIN_FAILED';
      log.warn({ ...audit, outcome: 'failed', code }, `${action} of dead letter ${id} by ${actor} failed`);
      throw error;
    }
  };
  // A request without body asks for the defaults.
  app.addHook('preValidation', async (request) => {
    request.body ??= {};
  });

  app.get(
    '/dead-letters',
    {
      schema: {
        ...about,
        summary: 'List dead letters, newest first',
        description: 'Pages stay as they are while new ones arrive. Values are shown in part, without secrets and signatures.',
        querystring: Query,
        response: { 200: PageView, ...problems },
      },
    },
    async ({ query: { limit, cursor, from, to, ...same } }) => {
      const filter = { ...same, ...(from !== undefined && { from: Date.parse(from) }), ...(to !== undefined && { to: Date.parse(to) }) };
      const page = await deadLetters.list(filter, { limit, cursor });
      return { items: page.letters.map(listedView), cursor: page.cursor };
    },
  );

  app.get(
    '/dead-letters/:id',
    { schema: { ...about, summary: 'Show one dead letter, byte for byte', params: Params, response: { 200: WholeView, ...ofOne } } },
    async ({ params: { id } }) => wholeView(await deadLetters.get(id)),
  );

  app.post(
    '/dead-letters/:id/replay',
    {
      schema: {
        ...about,
        summary: 'Give it once more to the worker that failed it',
        description:
          'Puts the record, byte for byte, into lane 0 of the retry topic of its worker, with its attempts counted anew and its identity kept. Answers when it stands there.',
        params: Params,
        body: ReplayBody,
        response: { 200: Changed, ...ofChange },
      },
    },
    (request) => {
      const { reason = null, again } = request.body;
      const { id } = request.params;
      return audited(request, 'replay', id, () => deadLetters.replay(id, { actor, reason, again }));
    },
  );

  app.post(
    '/dead-letters/:id/discard',
    {
      schema: {
        ...about,
        summary: 'Note that nothing more is to be done with it',
        description: 'The record stays where it is until the retention of its topic deletes it.',
        params: Params,
        body: DiscardBody,
        response: { 200: Changed, ...ofChange },
      },
    },
    (request) => {
      const { reason } = request.body;
      const { id } = request.params;
      return audited(request, 'discard', id, () => deadLetters.discard(id, { actor, reason }));
    },
  );
};
