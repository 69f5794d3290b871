import { type ErrorCode, FaultList, PipelineError } from '@pipeline-host/sdk';

/** One fault of a check that goes on after it. */
export function fault(code: ErrorCode, message: string, place: string, hint?: string): PipelineError {
  return new PipelineError(code, message, { place, ...(hint !== undefined && { hint }) });
}

/** @throws FaultList where there is any */
export function throwFaults([first, ...others]: readonly PipelineError[]): void {
  if (first !== undefined) throw new FaultList([first, ...others]);
}

/** The single faults of a failure. */
export function faultsOf(error: PipelineError): readonly PipelineError[] {
  return error instanceof FaultList ? error.faults : [error];
}
