import type { ActiveFaults } from '../faults.ts';

/** What a handler may know of the connection that a request came by. */
export interface Peer {
  readonly clientHost: string;
  /** The address by which the client reached the broker. */
  readonly localHost: string;
  readonly localPort: number;
  /** Aborted when the connection ends or the broker stops; whoever waits gives up then. */
  readonly closed: AbortSignal;
  /** Set once SASL has been passed; requests other than those of the handshake are refused before. */
  authenticated: boolean;
  /** The mechanism that the client has chosen. */
  saslMechanism: string | undefined;
}

export interface Call {
  readonly version: number;
  readonly clientId: string;
  readonly peer: Peer;
  readonly faults: ActiveFaults;
}

/** Returned by a handler that has nothing to answer (a produce without acknowledgement). */
export const NO_ANSWER = Symbol('no answer');
/** Returned by a handler where the protocol wants the connection closed. */
export const CLOSE_CONNECTION = Symbol('close connection');

export type Handler<Request, Response> = (
  request: Request,
  call: Call,
) => Response | typeof NO_ANSWER | typeof CLOSE_CONNECTION | Promise<Response | typeof NO_ANSWER | typeof CLOSE_CONNECTION>;
