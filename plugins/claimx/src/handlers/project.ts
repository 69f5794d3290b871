import type { Handler } from './handler.ts';

/**
 * A project was made, or got a master file name. The event's name counts: the API may answer with the one before. Only of an
 * event that was tried before, and which a newer one may have overtaken since, it counts where the API has none.
 */
export const projectHandler: Handler = async (event, scope, stamp, attempt) => {
  const { rows, carried } = await scope.project(scope.projectId, stamp);
  const { event_type, master_file_name: named } = event;
  if (event_type !== 'PROJECT_MFN_ADDED' || named === null) return { rows, carried };
  const projects = (rows.projects ?? []).map((row) => ({
    ...row,
    master_file_name: attempt === 1 ? named : (row.master_file_name ?? named),
  }));
  return { rows: { ...rows, projects }, carried };
};
