import type { Handler } from './handler.ts';

/**
 * A project was made, or got a master file name. The API is asked after the event, so the name that it holds is at least
 * as new, though a newer event may have overtaken this one; the event's own counts where the API has none yet.
 */
export const projectHandler: Handler = async (event, scope, stamp) => {
  const { rows, carried } = await scope.project(scope.projectId, stamp);
  if (event.event_type !== 'PROJECT_MFN_ADDED' || event.master_file_name === null) return { rows, carried };
  const projects = (rows.projects ?? []).map((row) => ({ ...row, master_file_name: row.master_file_name ?? event.master_file_name }));
  return { rows: { ...rows, projects }, carried };
};
