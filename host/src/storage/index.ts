export { openLocalStore } from './local-store.ts';
export { checkObjectPath, type LocalFiles, type ObjectBody, type ObjectStat, type ObjectStore, type PutOptions } from './object-store.ts';
export { openStore } from './open-store.ts';
export { errorNumber, storageError } from './storage-error.ts';
