import { createHash, timingSafeEqual } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import { PROBLEM_TYPE, type Problem, problem } from './problem.ts';

/** Answers 403 where no token is configured, 401 where the request has none or another one. */
export function requireBearer(token: string | undefined): (request: FastifyRequest, reply: FastifyReply) => Promise<unknown> {
  const expected = token === undefined ? null : digestOf(token);
  return async (request, reply) => {
    if (expected === null) return refuse(reply, problem(403, 'PH_ADMIN_TOKEN_UNSET', 'Forbidden', 'no admin token is configured'));
    const given = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
    if (given !== undefined && timingSafeEqual(digestOf(given), expected)) return undefined;
    reply.header('www-authenticate', 'Bearer');
    return refuse(reply, problem(401, 'PH_ADMIN_UNAUTHORIZED', 'Unauthorized', given === undefined ? 'no bearer token' : 'wrong token'));
  };
}

function refuse(reply: FastifyReply, body: Problem): FastifyReply {
  return reply.code(body.status).type(PROBLEM_TYPE).send(body);
}

/** Of one length whatever the token's, so that the comparison tells nothing of it. */
function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest();
}
