import type { Handler } from './handler.ts';

/** A policyholder was invited or has joined: project and contacts as they are now. */
export const contactHandler: Handler = async (_event, scope, stamp) => {
  const { rows, carried } = await scope.project(scope.projectId, stamp);
  return { rows, carried };
};
