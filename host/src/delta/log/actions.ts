/** The actions of the Delta log (PROTOCOL.md "Actions"), as they stand in `_delta_log/<version>.json`, one a line. */

export interface Protocol {
  readonly minReaderVersion: number;
  readonly minWriterVersion: number;
  readonly readerFeatures?: readonly string[];
  readonly writerFeatures?: readonly string[];
}

export interface MetaData {
  readonly id: string;
  readonly name?: string;
  readonly description?: string;
  readonly format: { readonly provider: string; readonly options: Readonly<Record<string, string>> };
  readonly schemaString: string;
  readonly partitionColumns: readonly string[];
  readonly configuration: Readonly<Record<string, string>>;
  readonly createdTime?: number;
}

export interface DeletionVector {
  readonly storageType: string;
  readonly pathOrInlineDv: string;
  readonly offset?: number;
  readonly sizeInBytes: number;
  readonly cardinality: number;
}

/** Values as text; null for null. */
export type PartitionValues = Readonly<Record<string, string | null>>;

export interface AddFile {
  /** Relative URI, percent-encoded. */
  readonly path: string;
  readonly partitionValues: PartitionValues;
  readonly size: number;
  readonly modificationTime: number;
  readonly dataChange: boolean;
  /** JSON text. Never parsed and written again: 64-bit digits would not survive. */
  readonly stats?: string;
  readonly tags?: Readonly<Record<string, string>>;
  readonly deletionVector?: DeletionVector;
  readonly baseRowId?: number;
  readonly defaultRowCommitVersion?: number;
  readonly clusteringProvider?: string;
}

export interface RemoveFile {
  readonly path: string;
  readonly deletionTimestamp?: number;
  readonly dataChange: boolean;
  readonly extendedFileMetadata?: boolean;
  readonly partitionValues?: PartitionValues;
  readonly size?: number;
  readonly deletionVector?: DeletionVector;
}

/** The last offset that one writer wrote: what makes writing exactly-once. */
export interface Txn {
  readonly appId: string;
  /** 64 bits. */
  readonly version: bigint;
  /** Epoch milliseconds. */
  readonly lastUpdated?: number;
}

export interface DomainMetadata {
  readonly domain: string;
  readonly configuration: string;
  readonly removed: boolean;
}

/** Free-form, but for what we write ourselves. */
export interface CommitInfo {
  readonly timestamp?: number;
  readonly operation?: string;
  readonly operationParameters?: Readonly<Record<string, unknown>>;
  readonly operationMetrics?: Readonly<Record<string, string>>;
  readonly readVersion?: number;
  readonly isolationLevel?: string;
  readonly isBlindAppend?: boolean;
  readonly engineInfo?: string;
  /** Spark's and Fabric's. */
  readonly userName?: string;
  readonly txnId?: string;
}

/** One line of a commit: exactly one of the fields is set; a line of a kind that we do not know has none. */
export interface Action {
  readonly protocol?: Protocol;
  readonly metaData?: MetaData;
  readonly add?: AddFile;
  readonly remove?: RemoveFile;
  readonly txn?: Txn;
  readonly domainMetadata?: DomainMetadata;
  readonly commitInfo?: CommitInfo;
}

/** `00000000000000000012`: the name of a version in the log. */
export function versionName(version: number): string {
  return String(version).padStart(20, '0');
}

/** The JSON text of one action. Versions of `txn` keep all their 64 bits. */
export function actionText(action: Action): string {
  if (action.txn === undefined) return JSON.stringify(action);
  const { appId, version, lastUpdated } = action.txn;
  return `{"txn":{"appId":${JSON.stringify(appId)},"version":${version}${lastUpdated === undefined ? '' : `,"lastUpdated":${lastUpdated}`}}}`;
}

export function commitBody(actions: readonly Action[]): Buffer {
  return Buffer.from(actions.map((action) => `${actionText(action)}\n`).join(''));
}

/** Parses one action. Throws a SyntaxError for what is no JSON object. */
export function parseAction(line: string): Action {
  const parsed: unknown = JSON.parse(line);
  if (typeof parsed !== 'object' || parsed === null) throw new SyntaxError('an action is a JSON object');
  const action = withoutNulls(parsed as Action);
  return action.txn === undefined ? action : { txn: { ...action.txn, version: exactVersion(line, action.txn.version) } };
}

/** Kinds of actions whose optional fields other writers give as null. */
const WITH_OPTIONAL_FIELDS = ['add', 'remove', 'metaData', 'protocol', 'txn'] as const satisfies readonly (keyof Action)[];

/** Null in an optional field is its absence (delta-rs writes `"baseRowId":null`, checkpoints have a column for each field). */
function withoutNulls(action: Action): Action {
  for (const kind of WITH_OPTIONAL_FIELDS) {
    const fields: object | null | undefined = action[kind];
    if (fields === undefined || fields === null) continue;
    const present = presentFields(fields);
    const vector = present['deletionVector'];
    return { [kind]: typeof vector === 'object' && vector !== null ? { ...present, deletionVector: presentFields(vector) } : present };
  }
  return action;
}

function presentFields(fields: object): Record<string, unknown> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== null));
}

/** Parses a commit file. Throws a SyntaxError for a line that is no JSON. */
export function parseCommit(body: Buffer): readonly Action[] {
  return body
    .toString('utf8')
    .split('\n')
    .filter((line) => line.trim() !== '')
    .map(parseAction);
}

/** JSON.parse rounds beyond 2^53; then the digits are taken from the text. */
function exactVersion(line: string, parsed: unknown): bigint {
  if (typeof parsed === 'number' && Number.isSafeInteger(parsed)) return BigInt(parsed);
  const digits = /"version"\s*:\s*"?(-?\d+)/.exec(line)?.[1];
  if (digits === undefined) throw new SyntaxError('a txn action has no version');
  return BigInt(digits);
}

/** What makes a file of the log one file: its path, however it is encoded, and the deletion vector that lies over it. */
export function fileKey(file: { readonly path: string; readonly deletionVector?: DeletionVector }): string {
  const path = pathKey(file.path);
  const vector = file.deletionVector;
  if (vector === undefined) return path;
  return `${path}\0${vector.storageType}${vector.pathOrInlineDv}${vector.offset === undefined ? '' : `@${vector.offset}`}`;
}

/** The same for every encoding of a path: writers escape more or fewer of its characters. A path that is none stays as it is. */
export function pathKey(path: string): string {
  if (!path.includes('%')) return path;
  try {
    return decodePath(path);
  } catch (error) {
    if (error instanceof URIError) return path;
    throw error;
  }
}

/** The action that takes a file out of the table; without `dataChange` its rows stay, in another file. */
export function removalOf(file: AddFile, now: number, dataChange = true): RemoveFile {
  return {
    path: file.path,
    deletionTimestamp: now,
    dataChange,
    extendedFileMetadata: true,
    partitionValues: file.partitionValues,
    size: file.size,
    ...(file.deletionVector !== undefined && { deletionVector: file.deletionVector }),
  };
}

/** A path on disk, relative to the table, as the log writes it: a percent-encoded relative URI. */
export function encodePath(path: string): string {
  return path
    .split('/')
    .map((segment) => encodeURIComponent(segment).replaceAll('%3D', '='))
    .join('/');
}

/** Whether a path in the log names a file by its place in the world: such files are another table's, or moved with none. */
export function isAbsolutePath(path: string): boolean {
  return /^([a-z][a-z0-9+.-]*:|\/)/i.test(path);
}

/** The path on disk of a path in the log. Throws a URIError for a bad escape. */
export function decodePath(path: string): string {
  return decodeURIComponent(path);
}
