import { parseExact, type Static, TransientError, type TSchema, Type } from '@pipeline-host/sdk';
import { TypeCompiler } from '@sinclair/typebox/compiler';
import { isSomething } from './converters.ts';

/**
 * What the API answers, as far as it is read. Shapes are checked, values are not: each is converted on its own, null and
 * absent are the same, and further fields are let through.
 */

const value = Type.Optional(Type.Unknown());
const values = <const Names extends readonly string[]>(...names: Names) =>
  Object.fromEntries(names.map((name) => [name, value])) as { readonly [Name in Names[number]]: typeof value };
const maybe = <Schema extends TSchema>(schema: Schema) => Type.Optional(Type.Union([schema, Type.Null()]));
const list = <Schema extends TSchema>(schema: Schema) => Type.Array(Type.Union([schema, Type.Null()]));

const Project = Type.Object({
  ...values('projectId', 'projectNumber', 'mfn', 'secondaryNumber', 'status', 'createdDate', 'dateOfLoss', 'typeOfLoss', 'causeOfLoss'),
  ...values('lossDescription', 'customAttribute1', 'customAttribute2', 'customAttribute3'),
  customerInformation: maybe(
    Type.Object({
      ...values('firstName', 'lastName'),
      emails: maybe(list(Type.Object(values('emailAddress', 'primary')))),
      phones: maybe(list(Type.Object(values('phoneNumber', 'phoneCountryCode')))),
    }),
  ),
  address: maybe(Type.Object(values('street1', 'city', 'stateProvince', 'zipPostcode'))),
});
export type Project = Static<typeof Project>;

const ProjectAnswer = Type.Object({
  project: maybe(Project),
  teamMembers: maybe(list(Type.Object(values('userName', 'primaryContact', 'mfn')))),
});
export type ProjectAnswer = Static<typeof ProjectAnswer>;

const Media = Type.Object(
  values(
    'mediaID',
    'taskAssignmentId',
    'mediaType',
    'mediaName',
    'mediaDescription',
    'mediaComment',
    'latitude',
    'longitude',
    'gpsSource',
    'takenDate',
    'fullDownloadLink',
    'expiresAt',
  ),
);
export type Media = Static<typeof Media>;

const TaskTemplate = Type.Object({
  ...values('taskId', 'compId', 'name', 'description', 'formId', 'formName', 'enabled', 'default', 'isManualDelivery'),
  ...values('isExternalLinkDelivery', 'providePortalAccess', 'notifyAssignedSendRecipient', 'notifyAssignedSendRecipientSms'),
  ...values('notifyAssignedSubject', 'notifyTaskCompleted', 'notifyCompletedSubject', 'allowReSubmit', 'autoGeneratePdf'),
  ...values('modifiedBy', 'modifiedById', 'modifiedDate'),
});
export type TaskTemplate = Static<typeof TaskTemplate>;

const ExternalLink = Type.Object({
  ...values('linkId', 'linkCode', 'url', 'notificationAccessMethod', 'countryId', 'stateId'),
  ...values('email', 'firstName', 'lastName', 'phone', 'phoneCountryCode'),
});
export type ExternalLink = Static<typeof ExternalLink>;

const CustomTask = Type.Object(
  {
    ...values(
      'assignmentId',
      'taskId',
      'projectId',
      'assigneeId',
      'assignorId',
      'dateAssigned',
      'dateCompleted',
      'status',
      'stpEnabled',
      'mfn',
    ),
    customTask: maybe(TaskTemplate),
    externalLinkData: maybe(ExternalLink),
  },
  { minProperties: 1 },
);
export type CustomTask = Static<typeof CustomTask>;

const VideoCollaboration = Type.Object({
  ...values('videoCollaborationId', 'id', 'claimId', 'mfn', 'claimNumber', 'policyNumber', 'emailUserName', 'claimRepFirstName'),
  ...values('claimRepLastName', 'claimRepFullName', 'numberOfVideos', 'numberOfPhotos', 'numberOfViewers', 'sessionCount'),
  ...values('totalTimeSeconds', 'totalTime', 'createdDate', 'liveCallFirstSession', 'liveCallLastSession', 'companyId'),
  ...values('companyName', 'guid'),
});
export type VideoCollaboration = Static<typeof VideoCollaboration>;

/** The body of an answer. None at all is null. @throws TransientError for what is no JSON */
export function parseBody(body: Uint8Array, contentType: string | undefined, place: string): unknown {
  if (body.length === 0) return null;
  if (contentType !== undefined && !/[/+]json\s*(;|$)/i.test(contentType)) throw badAnswer(place, 'it is no JSON by its content type');
  try {
    return parseExact(Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString('utf8'));
  } catch {
    throw badAnswer(place, 'it is not well-formed JSON');
  }
}

/** `{ data: { project, … } }` or the same without `data`. */
export const readProject = reader(ProjectAnswer, (body) => unwrapped(body, ['data']) ?? {});

/** A list, one object, or either of them in `data` or `media`. */
export const readMedia = reader(list(Media), (body) => listOf(unwrapped(body, ['data', 'media'])));

/** An object, or one in `data`. One without a field is no task. */
export const readTask = reader(CustomTask, (body) => unwrapped(body, ['data']));

/** A list, one object, or either of them in `data`, `collaborations` or `videoCollaboration`. */
export const readVideos = reader(list(VideoCollaboration), (body) =>
  listOf(unwrapped(body, ['data', 'collaborations', 'videoCollaboration'])),
);

function reader<Schema extends TSchema>(
  schema: Schema,
  normalise: (body: unknown) => unknown,
): (body: unknown, place: string) => Static<Schema> {
  const check = TypeCompiler.Compile(schema);
  return (body, place) => {
    const answer = normalise(body);
    if (check.Check(answer)) return answer;
    const fault = check.Errors(answer).First();
    throw badAnswer(place, `field ${fault?.path ?? ''}: ${fault?.message ?? 'does not fit'}`);
  };
}

/** What is in the first wrapper that holds something, or in the first; the body itself where there is no wrapper. */
function unwrapped(body: unknown, wrappers: readonly string[]): unknown {
  if (typeof body !== 'object' || body === null || Array.isArray(body)) return body;
  const fields = new Map<string, unknown>(Object.entries(body));
  const found = wrappers.filter((wrapper) => fields.has(wrapper)).map((wrapper) => fields.get(wrapper));
  if (found.length === 0) return body;
  return found.find(isSomething) ?? found.find((inner) => inner !== null) ?? null;
}

/** An object without a field is not one item, and no list: it stays what it is, which is not what was asked for. */
function listOf(inner: unknown): unknown {
  if (inner === null) return [];
  return Array.isArray(inner) || !isSomething(inner) ? inner : [inner];
}

/** An answer that is not what was asked for: perhaps a page of something in between, so it is asked again. */
function badAnswer(place: string, message: string): TransientError {
  return new TransientError('CLAIMX_API_RESPONSE', `the answer of ${place} cannot be read: ${message}`, { dependency: 'claimx' });
}
