import type { ClaimXState, Media, Person, Project, Task, TaskTemplate, Video } from './state.ts';

type Cell = string | number | boolean | null;
/** The columns of a row that image what the API holds. */
export type ExpectedRow = Readonly<Record<string, Cell>>;

/** An entity table: by which columns a row is found, and the rows that it must have in the end. */
export interface ExpectedTable {
  readonly name: string;
  readonly key: readonly string[];
  readonly rows: readonly ExpectedRow[];
}

/** Ids of the things that events have named; the rest of the state nobody has asked for. */
export interface Named {
  readonly media: ReadonlySet<string>;
  readonly tasks: ReadonlySet<string>;
  readonly videos: ReadonlySet<string>;
}

/** The entity tables that follow from what the API holds now. `storage` is the origin of its links, e.g. `http://127.0.0.1:8080`. */
export function expectedTables(state: ClaimXState, named: Named, storage: string): readonly ExpectedTable[] {
  const projects = [...state.projects.values()];
  const tasks = [...state.tasks.values()].filter(({ assignmentId }) => named.tasks.has(assignmentId));
  return [
    { name: 'claimx_projects', key: ['project_id'], rows: projects.map(projectRow) },
    {
      name: 'claimx_contacts',
      key: ['project_id', 'contact_email', 'contact_type'],
      rows: [...projects.flatMap(contactRows), ...tasks.flatMap(strangerRows)],
    },
    {
      name: 'claimx_attachment_metadata',
      key: ['media_id'],
      rows: [...state.files.values()].filter(({ id }) => named.media.has(id)).map((media) => mediaRow(media, storage)),
    },
    { name: 'claimx_tasks', key: ['assignment_id'], rows: tasks.map(taskRow) },
    { name: 'claimx_task_templates', key: ['task_id'], rows: [...new Set(tasks.map(({ template }) => template))].map(templateRow) },
    { name: 'claimx_external_links', key: ['link_id'], rows: tasks.flatMap(linkRow) },
    {
      name: 'claimx_video_collab',
      key: ['video_collaboration_id'],
      rows: projects.flatMap(({ videos }) => videos.filter(({ id }) => named.videos.has(id)).map(videoRow)),
    },
  ];
}

function projectRow(project: Project): ExpectedRow {
  const { policyholder } = project;
  return {
    project_id: project.id,
    project_number: project.number,
    master_file_name: project.masterFileName,
    secondary_number: project.secondaryNumber,
    status: project.status,
    created_date: project.createdDate,
    date_of_loss: project.dateOfLoss,
    type_of_loss: project.typeOfLoss,
    cause_of_loss: project.causeOfLoss,
    loss_description: project.lossDescription,
    customer_first_name: policyholder?.firstName ?? null,
    customer_last_name: policyholder?.lastName ?? null,
    street1: project.street,
    city: project.city,
    state_province: project.state,
    zip_postcode: project.postcode,
    primary_email: policyholder?.email ?? null,
    primary_phone: policyholder?.phone ?? null,
    custom_attribute1: project.customAttribute,
    custom_attribute2: null,
    custom_attribute3: null,
    xa_autolink_fail: project.unlinkedAt === null ? null : true,
    xa_autolink_fail_at: project.unlinkedAt,
  };
}

function contactRows(project: Project): readonly ExpectedRow[] {
  const { id, policyholder, team } = project;
  const representatives = team.map(({ userName, isPrimary, mfn }) => ({
    ...{ project_id: id, contact_email: userName, contact_type: 'CLAIM_REP' },
    ...{ first_name: null, last_name: null, phone_number: null, phone_country_code: null },
    ...{ is_primary_contact: isPrimary, master_file_name: mfn, task_assignment_id: null },
  }));
  return policyholder === null ? representatives : [personRow(id, policyholder, true), ...representatives];
}

/** Whoever got a task's link and is not the policyholder. */
function strangerRows({ project, link }: Task): readonly ExpectedRow[] {
  return link === null || link.person === project.policyholder ? [] : [personRow(project.id, link.person, false)];
}

function personRow(
  projectId: string,
  { email, firstName, lastName, phone, countryCode, linkedTask }: Person,
  isPrimary: boolean,
): ExpectedRow {
  return {
    ...{ project_id: projectId, contact_email: email, contact_type: 'POLICYHOLDER' },
    ...{ first_name: firstName, last_name: lastName, phone_number: phone, phone_country_code: phone === null ? null : countryCode },
    is_primary_contact: isPrimary,
    master_file_name: null,
    task_assignment_id: linkedTask?.assignmentId ?? null,
  };
}

function mediaRow(media: Media, storage: string): ExpectedRow {
  const { latitude } = media;
  return {
    media_id: media.id,
    project_id: media.projectId,
    task_assignment_id: null,
    file_type: media.kind,
    file_name: media.name,
    media_description: media.description,
    media_comment: media.comment,
    latitude,
    longitude: media.longitude,
    gps_source: latitude === null ? null : 'DEVICE',
    taken_date: media.takenDate,
    full_download_link: media.behaviour === 'no-link' ? null : `${storage}${media.path}`,
    expires_at: null,
  };
}

function taskRow({ assignmentId, template, project, assigneeId, dateAssigned, dateCompleted, status }: Task): ExpectedRow {
  return {
    assignment_id: assignmentId,
    task_id: template.id,
    project_id: project.id,
    assignee_id: assigneeId,
    assignor_id: 88,
    date_assigned: dateAssigned,
    date_completed: dateCompleted,
    status,
    stp_enabled: true,
    mfn: null,
  };
}

function templateRow({ id, companyId, name, formId, isManual, sendsLink, modifiedDate }: TaskTemplate): ExpectedRow {
  return {
    ...{ task_id: id, comp_id: companyId, name, description: null, form_id: formId, form_name: name, enabled: true, is_default: false },
    ...{ is_manual_delivery: isManual, is_external_link_delivery: sendsLink, provide_portal_access: true },
    ...{ notify_assigned_send_recipient: true, notify_assigned_send_recipient_sms: false, notify_assigned_subject: 'Task for you' },
    ...{ notify_task_completed: true, notify_completed_subject: 'Done', allow_resubmit: true, auto_generate_pdf: false },
    ...{ modified_by: 'admin@example.test', modified_by_id: 1, modified_date: modifiedDate },
  };
}

function linkRow({ assignmentId, project, link }: Task): readonly ExpectedRow[] {
  if (link === null) return [];
  return [
    {
      ...{ link_id: link.id, assignment_id: assignmentId, project_id: project.id, link_code: link.code, url: link.url },
      ...{ notification_access_method: 'EMAIL', country_id: 1, state_id: 44, accessed_count: 0 },
    },
  ];
}

function videoRow(video: Video): ExpectedRow {
  const { first, last } = video.representative;
  return {
    ...{
      video_collaboration_id: video.id,
      claim_id: video.project.id,
      mfn: null,
      claim_number: video.claimNumber,
      policy_number: 'POL-42',
    },
    ...{ email_user_name: 'adjuster.one@example.test', claim_rep_first_name: first, claim_rep_last_name: last },
    claim_rep_full_name: `${first} ${last}`,
    ...{ number_of_videos: video.numberOfVideos, number_of_photos: video.numberOfPhotos, number_of_viewers: 1 },
    ...{ session_count: video.sessionCount, total_time_seconds: video.totalSeconds, total_time: null },
    ...{ created_date: video.createdDate, live_call_first_session: video.lastSession, live_call_last_session: video.lastSession },
    ...{ company_id: 12, company_name: 'Example Mutual', guid: video.guid },
  };
}
