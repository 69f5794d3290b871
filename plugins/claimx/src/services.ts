import { defineServices, milliseconds } from '@pipeline-host/sdk';
import { createClaimXApi } from './api-client.ts';
import { ClaimXConfig } from './config.ts';
import { ProjectCache } from './project-cache.ts';

/** Made once a process, for all workers in it. */
export const services = defineServices(ClaimXConfig, {
  api: createClaimXApi,
  projects: ({ config: { projectCache } }) => new ProjectCache({ ttl: milliseconds(projectCache.ttl), size: projectCache.size }),
});
