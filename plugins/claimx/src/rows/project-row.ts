import type { RowOf } from '@pipeline-host/sdk';
import type { Project, ProjectAnswer } from '../api-responses.ts';
import { idText, isSomething, text, timestampText } from '../converters.ts';
import type { claimxProjects } from '../tables/projects.ts';
import type { Image, Stamp } from './image.ts';

type Row = RowOf<typeof claimxProjects>;
/** Columns that the API does not know. */
type Foreign = 'coverages' | 'contents_task_sent' | 'contents_task_at' | 'xa_autolink_fail' | 'xa_autolink_fail_at' | 'last_enriched_at';

/** The row of a project. Where the API answers without one, only that it exists is known. */
export function projectRow({ project }: ProjectAnswer, requestedId: string, stamp: Stamp): Row {
  if (project === null || project === undefined) return projectMark(requestedId, stamp);
  return projectImage(project, requestedId, stamp);
}

/** A row that knows nothing of its project but its id. */
export function projectMark(projectId: string, { trace_id, now }: Stamp): Row {
  return { project_id: projectId, trace_id, created_at: now, updated_at: now };
}

function projectImage(project: Project, requestedId: string, { trace_id, now }: Stamp): Image<Row, Foreign> {
  const { customerInformation: customer, address } = project;
  return {
    project_id: idText(project.projectId) ?? requestedId,
    project_number: text(project.projectNumber),
    master_file_name: text(project.mfn),
    secondary_number: text(project.secondaryNumber),
    status: text(project.status),
    created_date: timestampText(project.createdDate),
    date_of_loss: timestampText(project.dateOfLoss),
    type_of_loss: text(project.typeOfLoss),
    cause_of_loss: text(project.causeOfLoss),
    loss_description: text(project.lossDescription),
    customer_first_name: text(customer?.firstName),
    customer_last_name: text(customer?.lastName),
    street1: text(address?.street1),
    city: text(address?.city),
    state_province: text(address?.stateProvince),
    zip_postcode: text(address?.zipPostcode),
    primary_email: primaryEmail(project),
    primary_phone: text(firstPhone(project)?.phoneNumber),
    custom_attribute1: text(project.customAttribute1),
    custom_attribute2: text(project.customAttribute2),
    custom_attribute3: text(project.customAttribute3),
    trace_id,
    created_at: now,
    updated_at: now,
  };
}

/** The address that is marked as primary, else the first. */
export function primaryEmail({ customerInformation }: Project): string | null {
  const emails = (customerInformation?.emails ?? []).filter((email) => email !== null);
  return text(emails.find(({ primary }) => isSomething(primary))?.emailAddress) ?? text(emails[0]?.emailAddress);
}

export function firstPhone({ customerInformation }: Project) {
  return (customerInformation?.phones ?? []).find((phone) => phone !== null);
}
