/** What a simulated service answers. */
export interface ServiceAnswer {
  readonly status: number;
  readonly headers: AnswerHeaders;
  readonly body: Uint8Array;
  /** How the body comes: `whole`; in `parts` with a pause of milliseconds before each; or half of it, and then the connection is cut. */
  readonly delivery: 'whole' | 'cut' | { readonly parts: number; readonly pause: number };
}

/** Of an answer, by lower-case name. */
export type AnswerHeaders = Readonly<Record<string, string>>;

/** Builders of answers. */
export const answer = {
  /** A value as JSON. */
  json: (
    value: unknown,
    { status = 200, headers = {} }: { readonly status?: number; readonly headers?: AnswerHeaders } = {},
  ): ServiceAnswer => whole(status, { 'content-type': 'application/json', ...headers }, Buffer.from(JSON.stringify(value), 'utf8')),

  /** Bytes, as a file server sends them. */
  file: (body: Uint8Array, contentType: string): ServiceAnswer => whole(200, { 'content-type': contentType }, body),

  /** A status with a short body or none. */
  status: (status: number, { headers = {}, body = '' }: { readonly headers?: AnswerHeaders; readonly body?: string } = {}): ServiceAnswer =>
    whole(status, headers, Buffer.from(body, 'utf8')),

  /** The same answer, its body in parts. */
  slow: (given: ServiceAnswer, { parts = 5, pause = 150 } = {}): ServiceAnswer => ({ ...given, delivery: { parts, pause } }),

  /** The same answer, cut off in the middle of its body: its length says that there is more. */
  cut: (given: ServiceAnswer): ServiceAnswer => ({ ...given, delivery: 'cut' }),
} as const;

function whole(status: number, headers: AnswerHeaders, body: Uint8Array): ServiceAnswer {
  return { status, headers, body, delivery: 'whole' };
}
