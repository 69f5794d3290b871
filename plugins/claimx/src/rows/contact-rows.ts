import type { RowOf } from '@pipeline-host/sdk';
import type { ExternalLink, ProjectAnswer } from '../api-responses.ts';
import { flag, idText, integer, smallInteger, text } from '../converters.ts';
import type { claimxContacts } from '../tables/contacts.ts';
import type { Image, Stamp } from './image.ts';
import { firstPhone, primaryEmail } from './project-row.ts';

type Row = RowOf<typeof claimxContacts>;
type Key = 'project_id' | 'contact_email' | 'contact_type';

/** The contacts that the API's project tells of: its policyholder and its team. */
export function projectContacts(answer: ProjectAnswer, requestedId: string, stamp: Stamp): readonly Row[] {
  const { project, teamMembers } = answer;
  const project_id = idText(project?.projectId) ?? requestedId;
  const rows: Row[] = [];
  const email = project === null || project === undefined ? null : primaryEmail(project);
  if (project !== null && project !== undefined && email !== null) {
    const phone = firstPhone(project);
    const policyholder: Image<Row, 'master_file_name' | 'task_assignment_id' | 'video_collaboration_id'> = {
      ...key(project_id, email, 'POLICYHOLDER'),
      ...marks(stamp),
      first_name: text(project.customerInformation?.firstName),
      last_name: text(project.customerInformation?.lastName),
      phone_number: text(phone?.phoneNumber),
      phone_country_code: integer(phone?.phoneCountryCode),
      is_primary_contact: true,
    };
    rows.push(policyholder);
  }
  for (const member of teamMembers ?? []) {
    const userName = text(member?.userName);
    if (member === null || userName === null) continue;
    rows.push({
      ...key(project_id, userName, 'CLAIM_REP'),
      ...marks(stamp),
      is_primary_contact: flag(member.primaryContact) ?? false,
      master_file_name: text(member.mfn),
    });
  }
  return rows;
}

export interface LinkedTask {
  readonly projectId: string;
  readonly assignmentId: unknown;
  /** Of the project; what the project says of that person stays. */
  readonly policyholderEmail: string | null;
}

/** The person to whom a task's link was sent. The link is no image of the contact: what it does not say stays as it is. */
export function linkContact(link: ExternalLink, { projectId, assignmentId, policyholderEmail }: LinkedTask, stamp: Stamp): Row | null {
  const email = text(link.email);
  if (email === null) return null;
  const known = {
    first_name: text(link.firstName),
    last_name: text(link.lastName),
    phone_number: text(link.phone),
    phone_country_code: integer(link.phoneCountryCode),
    task_assignment_id: smallInteger(assignmentId),
    is_primary_contact: email === policyholderEmail ? null : false,
  };
  return {
    ...key(projectId, email, 'POLICYHOLDER'),
    ...marks(stamp),
    ...Object.fromEntries(Object.entries(known).filter(([, value]) => value !== null)),
  };
}

function key(project_id: string, contact_email: string, contact_type: 'POLICYHOLDER' | 'CLAIM_REP'): Pick<Image<Row>, Key> {
  return { project_id, contact_email, contact_type };
}

function marks({ trace_id, now }: Stamp) {
  return { trace_id, created_at: now, last_enriched_at: now, updated_at: now, created_date: now.slice(0, 10) };
}
