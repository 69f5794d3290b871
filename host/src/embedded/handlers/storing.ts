import { ErrorCode } from '../error-code.ts';
import type { BrokerLog } from '../options.ts';
import { StorageFailure } from '../storage/append-file.ts';

/** Runs what must be written down; answers KAFKA_STORAGE_ERROR where the disk refuses, which leaves everything as it was. */
export function storing(log: BrokerLog, what: string, write: () => ErrorCode): ErrorCode {
  try {
    return write();
  } catch (error) {
    if (!(error instanceof StorageFailure)) throw error;
    log('error', `cannot ${what}`, { error });
    return ErrorCode.KAFKA_STORAGE_ERROR;
  }
}
