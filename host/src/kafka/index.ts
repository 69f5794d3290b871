export { connectCluster } from './cluster.ts';
export { SESSION_TIMEOUT } from './cluster-config.ts';
export type * from './driver.ts';
