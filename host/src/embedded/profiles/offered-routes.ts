import type { Route } from '../server/router.ts';
import type { BrokerProfile } from './profile.ts';

/** Of what the broker knows, what the profile offers: other requests and versions do not exist for clients. */
export function offeredRoutes(routes: readonly Route[], { requests }: BrokerProfile): readonly Route[] {
  if (requests === undefined) return routes;
  return routes.flatMap((route) => {
    const offered = requests[route.name];
    if (offered === undefined) return [];
    const oldest = Math.max(route.versions[0], offered[0]);
    const newest = Math.min(route.versions[1], offered[1]);
    return oldest > newest ? [] : [{ ...route, versions: [oldest, newest] as const }];
  });
}
