import { AuthError, errorMessage, isPipelineError, PermanentError, PipelineError, UnavailableError } from '@pipeline-host/sdk';

/** The fields by which kafkajs's errors tell what happened; every one may be missing. */
interface ClientError {
  readonly name?: string;
  readonly message?: string;
  /** Name of the broker's error code. */
  readonly type?: string;
  readonly code?: string | number;
  readonly broker?: string;
  readonly retriable?: boolean;
  readonly cause?: unknown;
  /** Of an aggregate, such as the refusal of several topics. */
  readonly errors?: readonly unknown[];
}

const TLS_CODES = new Set([
  'SELF_SIGNED_CERT_IN_CHAIN',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'CERT_HAS_EXPIRED',
  'CERT_UNTRUSTED',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'EPROTO',
]);

const GONE_TYPES = new Set(['ILLEGAL_GENERATION', 'UNKNOWN_MEMBER_ID', 'FENCED_INSTANCE_ID', 'MEMBER_ID_REQUIRED']);
const PRODUCER_TYPES = new Set([
  'OUT_OF_ORDER_SEQUENCE_NUMBER',
  'UNKNOWN_PRODUCER_ID',
  'INVALID_PRODUCER_EPOCH',
  'INVALID_PRODUCER_ID_MAPPING',
  'DUPLICATE_SEQUENCE_NUMBER',
]);
/** How OpenSSL names what the other side refused: `…:ssl/tls alert bad certificate:…`. */
const TLS_ALERT = /(?:ssl\/tls|tlsv[\d.]+|sslv3) alert ([a-z ]+)/i;
/** What OpenSSL and Node say of an answer that is no TLS. */
const NO_TLS = /before secure TLS connection|wrong version number|packet length too long/;
const NO_TLS_HINT = 'check kafka.tls: the broker seems not to speak TLS on this port';
const CLOSED_HINT =
  'check kafka.brokers, kafka.tls and kafka.sasl: a port that wants TLS or SASL closes the connection of who comes without';
/** What the language throws: never a matter of the broker, so trying again is of no use. */
const DEFECTS = new Set(['TypeError', 'RangeError', 'ReferenceError', 'SyntaxError']);
const TOO_LARGE_TYPES = new Set(['MESSAGE_TOO_LARGE', 'RECORD_LIST_TOO_LARGE', 'INVALID_FETCH_SIZE']);
/** What a broker answers while another one takes over from it, or it from another. */
const HANDOVER_TYPES = new Set([
  'LEADER_NOT_AVAILABLE',
  'NOT_LEADER_FOR_PARTITION',
  'FENCED_LEADER_EPOCH',
  'UNKNOWN_LEADER_EPOCH',
  'REPLICA_NOT_AVAILABLE',
  'BROKER_NOT_AVAILABLE',
  'OFFSET_NOT_AVAILABLE',
  'KAFKA_STORAGE_ERROR',
  'REQUEST_TIMED_OUT',
  'NETWORK_EXCEPTION',
  'GROUP_LOAD_IN_PROGRESS',
  'GROUP_COORDINATOR_NOT_AVAILABLE',
  'NOT_COORDINATOR_FOR_GROUP',
]);
/** kafkajs's errors for a broker that does not answer, or is none of those that it has heard of. */
const AWAY_NAMES = new Set([
  'KafkaJSConnectionError',
  'KafkaJSConnectionClosedError',
  'KafkaJSRequestTimeoutError',
  'KafkaJSLockTimeout',
  'KafkaJSBrokerNotFound',
]);
const AUTHORIZATION = /^(?:TOPIC|GROUP|CLUSTER|TRANSACTIONAL_ID)_AUTHORIZATION_FAILED$/;

/** The error and its causes, outermost first; of an aggregate the first of its errors. */
function chain(error: unknown): ClientError[] {
  const found: ClientError[] = [];
  let next = error;
  while (typeof next === 'object' && next !== null && found.length < 8) {
    const each: ClientError = next;
    found.push(each);
    next = each.cause ?? each.errors?.[0];
  }
  return found;
}

/** The broker's error code, by name, wherever in the chain it stands. */
export function brokerErrorType(error: unknown): string | undefined {
  return chain(error).find(({ type }) => typeof type === 'string')?.type;
}

/** The broker no longer counts us as a member of this generation: what we hold is somebody else's. */
export const isGone = (error: unknown): boolean => GONE_TYPES.has(brokerErrorType(error) ?? '');

/** The broker is away, or says that another one is in charge, or is not ready itself: a fail-over looks like this while it lasts. */
export function isHandover(error: unknown): boolean {
  const type = brokerErrorType(error);
  if (type !== undefined) return HANDOVER_TYPES.has(type);
  // A connection that is not trusted has the same names.
  return chain(error).some(({ name }) => AWAY_NAMES.has(name ?? '')) && classify(error, NOWHERE).kind === 'unavailable';
}

/** The producer's identity or sequence is refused: only a new identity helps. */
export const isProducerRefused = (error: unknown): boolean => PRODUCER_TYPES.has(brokerErrorType(error) ?? '');

/** One or more records of the batch exceed a limit. */
export const isTooLarge = (error: unknown): boolean => TOO_LARGE_TYPES.has(brokerErrorType(error) ?? '');

/** We have no right on the topic; on others we may have. */
export const isTopicRefused = (error: unknown): boolean => brokerErrorType(error) === 'TOPIC_AUTHORIZATION_FAILED';

/** We have no right on the group. */
export const isGroupRefused = (error: unknown): boolean => brokerErrorType(error) === 'GROUP_AUTHORIZATION_FAILED';

/** What a connection ends with that the broker closes while bytes are still on their way to it. */
const RESET_CODES: ReadonlySet<unknown> = new Set(['ECONNRESET', 'EPIPE']);

/** The broker ended the connection; not that there was none. */
export const isConnectionClosed = (error: unknown): boolean =>
  chain(error).some(
    ({ name, code }) => name === 'KafkaJSConnectionClosedError' || (name === 'KafkaJSConnectionError' && RESET_CODES.has(code)),
  );

/** Where an error happened, for its text. `brokers` is read when there is one. */
export interface Where {
  readonly cluster: string;
  readonly brokers: readonly string[];
  /** Topic, group or both. */
  readonly place?: string;
}

const NOWHERE: Where = { cluster: '', brokers: [] };

/** Any failure of the client as one of ours, with code, place and hint. Keeps a PipelineError as it is. */
export function classify(error: unknown, where: Where): PipelineError {
  if (isPipelineError(error)) return error as PipelineError;
  const errors = chain(error);
  const own = errors.find(isPipelineError);
  if (own !== undefined) return own;
  const type = brokerErrorType(error);
  const text = errorMessage(error);
  const at = `cluster '${where.cluster}' (${where.brokers.join(', ')})`;
  const details = {
    cause: error,
    place: where.place ?? `cluster '${where.cluster}'`,
  };

  if (errors.some(({ name }) => name === 'KafkaJSSASLAuthenticationError') || type === 'SASL_AUTHENTICATION_FAILED') {
    return new AuthError('PH_KAFKA_AUTH', `${at} refused the credentials (${text})`, details);
  }
  if (type === 'UNSUPPORTED_SASL_MECHANISM' || /SASL .* mechanism is not supported/i.test(text)) {
    return new AuthError('PH_KAFKA_AUTH', `${at} does not offer this SASL mechanism: ${text}`, {
      ...details,
      hint: 'set kafka.sasl.mechanism to one that the broker has enabled',
    });
  }
  if (type !== undefined && AUTHORIZATION.test(type)) {
    return new AuthError(
      'PH_KAFKA_ACL',
      `${at} does not allow this${where.place === undefined ? '' : ` on ${where.place}`}: ${text}`,
      details,
    );
  }
  const alert = errors.map(({ message }) => TLS_ALERT.exec(message ?? '')?.[1]).find((found) => found !== undefined);
  if (alert !== undefined) {
    return new AuthError('PH_KAFKA_TLS', `${at} refused our side of TLS: ${alert}`, {
      ...details,
      ...(/certificate|access denied/.test(alert) && {
        hint: 'the broker asks for a client certificate that it trusts: kafka.tls.cert and kafka.tls.key, which belong together',
      }),
    });
  }
  const speaksNoTls = errors.some(({ message }) => NO_TLS.test(message ?? ''));
  const tls = speaksNoTls
    ? undefined
    : errors.find(({ code, message }) => TLS_CODES.has(String(code)) || /\bcertificate\b/i.test(message ?? ''));
  if (tls !== undefined) {
    return new AuthError('PH_KAFKA_TLS', `no trusted connection to ${tls.broker ?? at}: ${tls.message ?? text}`, details);
  }
  const bug = errors.find(({ name }) => DEFECTS.has(name ?? ''));
  if (bug !== undefined) return new PermanentError('PH_KAFKA_REQUEST', `the request for ${at} cannot be made: ${bug.message}`, details);
  if (type === 'INCONSISTENT_GROUP_PROTOCOL') {
    const members = 'has members that divide the retry topic into another number of lanes, or that are none of ours';
    return new PipelineError('PH_RETRY_DIVISION', `${details.place} ${members}`, details);
  }
  if (type === 'OFFSET_METADATA_TOO_LARGE')
    return new PermanentError('PH_KAFKA_METADATA', `${at} refused the metadata of a commit: ${text}`, details);
  if (isTooLarge(error)) return new PermanentError('PH_MESSAGE_TOO_LARGE', `${at} refused a record as too large: ${text}`, details);
  if (type === 'UNKNOWN_TOPIC_OR_PARTITION' || errors.some(({ name }) => name === 'KafkaJSTopicMetadataNotLoaded')) {
    return new UnavailableError('PH_KAFKA_UNKNOWN_TOPIC', `${at} has no ${where.place ?? 'such topic'}`, details);
  }
  if (type === 'INVALID_TOPIC_EXCEPTION')
    return new PermanentError('PH_KAFKA_REQUEST', `${at} refused ${where.place ?? 'the topic name'}: ${text}`, details);
  const connection = errors.find(
    ({ name, broker }) =>
      name !== undefined && /Connection|Timeout|BrokerNotFound|NoBrokerAvailable|CoordinatorNotFound/.test(name) && broker !== undefined,
  );
  if (connection !== undefined || type === undefined) {
    return new UnavailableError(
      'PH_KAFKA_UNREACHABLE',
      `${at} cannot be reached${connection === undefined ? '' : ` at ${connection.broker}`}: ${connection?.message ?? text}`,
      { ...details, ...(speaksNoTls ? { hint: NO_TLS_HINT } : isConnectionClosed(error) ? { hint: CLOSED_HINT } : {}) },
    );
  }
  if (errors.some(({ retriable }) => retriable === true))
    return new UnavailableError('PH_KAFKA_UNAVAILABLE', `${at} answered ${type}: ${text}`, details);
  return new PermanentError('PH_KAFKA_REQUEST', `${at} refused the request with ${type}: ${text}`, details);
}
