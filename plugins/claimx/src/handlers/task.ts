import { idText } from '../converters.ts';
import { linkContact } from '../rows/contact-rows.ts';
import { externalLinkRow, taskRow, taskTemplateRow } from '../rows/task-rows.ts';
import type { Handler } from './handler.ts';
import { numericId } from './numeric-id.ts';

/** A task was assigned or completed: the task, its kind, and the link that was sent for it with its addressee. */
export const taskHandler: Handler = async (event, scope, stamp) => {
  const assignmentId = numericId(event.task_assignment_id, 'task_assignment_id');
  const task = await scope.task(assignmentId);
  const projectId = apiId(task.projectId) ?? scope.projectId;
  const project = await scope.projectUnlessKnown(projectId, stamp);
  const { customTask: template, externalLinkData: link } = task;
  const linked = { projectId, assignmentId: apiId(task.assignmentId) ?? assignmentId, policyholderEmail: project.facts.policyholderEmail };
  const contact = link === null || link === undefined ? null : linkContact(link, linked, stamp);
  return {
    rows: {
      projects: project.rows.projects ?? [],
      // The link's row comes last: it knows less, and what it leaves out stays.
      contacts: [...(project.rows.contacts ?? []), ...(contact === null ? [] : [contact])],
      tasks: present(taskRow(task, stamp)),
      task_templates: template === null || template === undefined ? [] : present(taskTemplateRow(template, stamp)),
      external_links: link === null || link === undefined ? [] : present(externalLinkRow(link, linked, stamp)),
    },
    projectId,
    carried: project.carried,
  };
};

/** An id that a task names; null where it names none. */
function apiId(value: unknown): string | null {
  const id = idText(value) ?? '';
  return /^\d{1,19}$/.test(id) && /[1-9]/.test(id) ? BigInt(id).toString() : null;
}

function present<Row>(row: Row | null): readonly Row[] {
  return row === null ? [] : [row];
}
