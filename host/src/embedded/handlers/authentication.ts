import { createHash, timingSafeEqual } from 'node:crypto';
import { saslAuthenticateApi, saslHandshakeApi } from '../api/session.ts';
import type { BrokerParts } from '../broker-parts.ts';
import { ErrorCode } from '../error-code.ts';
import { type Route, route } from '../server/router.ts';

const PLAIN = 'PLAIN';

/** SASL PLAIN. Without users configured nobody has to authenticate, and nobody can. */
export function authenticationRoutes({ settings }: BrokerParts): readonly Route[] {
  const users = settings.sasl?.users;
  return [
    route(saslHandshakeApi, ({ mechanism }, { peer }) => {
      peer.saslMechanism = mechanism;
      const known = users !== undefined && mechanism === PLAIN;
      return { error: known ? ErrorCode.NONE : ErrorCode.UNSUPPORTED_SASL_MECHANISM, mechanisms: users ? [PLAIN] : [] };
    }),
    route(saslAuthenticateApi, ({ token }, { peer }) => {
      if (!users || peer.saslMechanism !== PLAIN) return { error: ErrorCode.ILLEGAL_SASL_STATE, message: 'SaslHandshake comes first' };
      const [, name = '', password = ''] = token.toString('utf8').split('\0');
      const expected = Object.hasOwn(users, name) ? users[name] : undefined;
      peer.authenticated = expected !== undefined && isSame(password, expected);
      if (peer.authenticated) return { error: ErrorCode.NONE, message: null };
      settings.log('warn', 'authentication failed', { client: peer.clientHost, user: name });
      return { error: ErrorCode.SASL_AUTHENTICATION_FAILED, message: 'Authentication failed: Invalid username or password' };
    }),
  ];
}

/** Takes the same time for every wrong password. */
function isSame(given: string, expected: string): boolean {
  const digest = (text: string): Buffer => createHash('sha256').update(text).digest();
  return timingSafeEqual(digest(given), digest(expected));
}
