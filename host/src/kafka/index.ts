export { connectCluster } from './cluster.ts';
export type * from './driver.ts';
