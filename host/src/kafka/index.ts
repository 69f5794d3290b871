export { connectCluster } from './cluster.ts';
export type * from './driver.ts';
export { murmur2, partitionOf } from './partitioner.ts';
