import type { RowOf } from '@pipeline-host/sdk';
import type { CustomTask, ExternalLink, TaskTemplate } from '../api-responses.ts';
import { flag, idText, integer, text, timestampText } from '../converters.ts';
import type { claimxExternalLinks } from '../tables/external-links.ts';
import type { claimxTaskTemplates } from '../tables/task-templates.ts';
import type { claimxTasks } from '../tables/tasks.ts';
import type { Image, Stamp } from './image.ts';

/** The row of a task assignment; null where the API gives it no id: 0 is none. */
export function taskRow(task: CustomTask, { trace_id, now }: Stamp): Image<RowOf<typeof claimxTasks>> | null {
  const assignment_id = integer(task.assignmentId);
  if (assignment_id === null || assignment_id === 0) return null;
  return {
    assignment_id,
    task_id: integer(task.taskId),
    project_id: idText(task.projectId),
    assignee_id: integer(task.assigneeId),
    assignor_id: integer(task.assignorId),
    date_assigned: timestampText(task.dateAssigned),
    date_completed: timestampText(task.dateCompleted),
    status: text(task.status),
    stp_enabled: flag(task.stpEnabled),
    mfn: text(task.mfn),
    trace_id,
    created_at: now,
    updated_at: now,
    last_enriched_at: now,
  };
}

/** The row of the kind of a task; null where it has no id. */
export function taskTemplateRow(template: TaskTemplate, { trace_id, now }: Stamp): Image<RowOf<typeof claimxTaskTemplates>> | null {
  const task_id = integer(template.taskId);
  if (task_id === null) return null;
  return {
    task_id,
    comp_id: integer(template.compId),
    name: text(template.name),
    description: text(template.description),
    form_id: text(template.formId),
    form_name: text(template.formName),
    enabled: flag(template.enabled),
    is_default: flag(template.default),
    is_manual_delivery: flag(template.isManualDelivery),
    is_external_link_delivery: flag(template.isExternalLinkDelivery),
    provide_portal_access: flag(template.providePortalAccess),
    notify_assigned_send_recipient: flag(template.notifyAssignedSendRecipient),
    notify_assigned_send_recipient_sms: flag(template.notifyAssignedSendRecipientSms),
    notify_assigned_subject: text(template.notifyAssignedSubject),
    notify_task_completed: flag(template.notifyTaskCompleted),
    notify_completed_subject: text(template.notifyCompletedSubject),
    allow_resubmit: flag(template.allowReSubmit),
    auto_generate_pdf: flag(template.autoGeneratePdf),
    modified_by: text(template.modifiedBy),
    modified_by_id: integer(template.modifiedById),
    modified_date: timestampText(template.modifiedDate),
    trace_id,
    created_at: now,
    updated_at: now,
    last_enriched_at: now,
  };
}

/** The row of a link that was sent for a task; null where it has no id. The API does not tell when it was used: a count begins at 0. */
export function externalLinkRow(
  link: ExternalLink,
  { projectId, assignmentId }: { readonly projectId: string; readonly assignmentId: unknown },
  { trace_id, now }: Stamp,
): Image<RowOf<typeof claimxExternalLinks>, 'created_date' | 'last_accessed'> | null {
  const link_id = integer(link.linkId);
  if (link_id === null) return null;
  return {
    link_id,
    assignment_id: integer(assignmentId),
    project_id: projectId,
    link_code: text(link.linkCode),
    url: text(link.url),
    notification_access_method: text(link.notificationAccessMethod),
    country_id: integer(link.countryId),
    state_id: integer(link.stateId),
    accessed_count: 0,
    trace_id,
    created_at: now,
    updated_at: now,
  };
}
