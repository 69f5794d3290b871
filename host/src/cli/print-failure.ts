import { errorMessage, FaultList, isPipelineError, PipelineError } from '@pipeline-host/sdk';
import { redactText } from '../observability/redact.ts';

/** What the system says where rights, room or limits of the machine are the matter. */
const ENVIRONMENT: ReadonlySet<string> = new Set(['EACCES', 'EPERM', 'EROFS', 'ENOSPC', 'EDQUOT', 'EMFILE', 'ENFILE', 'ENOTDIR', 'ENOMEM']);

/**
 * Prints a failure to stderr: code and message, place, fix; for a list of faults, one after the other. The stack only with
 * PIPELINE_HOST_DEBUG=1.
 *
 * @returns the exit code
 */
export function printFailure(error: unknown): number {
  process.stderr.write(`${failureText(error)}\n`);
  if (process.env['PIPELINE_HOST_DEBUG'] === '1' && error instanceof Error) process.stderr.write(`${redactText(fullStack(error))}\n`);
  return asPipelineError(error).exitCode;
}

/** At most three lines a fault. */
export function failureText(error: unknown): string {
  const failure = asPipelineError(error);
  const faults = failure instanceof FaultList ? failure.faults : [failure];
  return faults.map(faultText).join('\n');
}

function faultText({ code, message, place, hint }: PipelineError): string {
  const lines = [`${code}: ${redactText(oneLine(message))}`];
  if (place !== undefined) lines.push(`  at ${redactText(oneLine(place))}`);
  if (hint !== '') lines.push(`  fix: ${oneLine(hint)}`);
  return lines.join('\n');
}

function oneLine(text: string): string {
  return text
    .trim()
    .split(/\s*\n\s*/, 3)
    .join(' ');
}

/** Anything thrown as one of our errors. */
export function asPipelineError(error: unknown): PipelineError {
  if (isPipelineError(error)) return error;
  const code = typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined;
  if (typeof code === 'string' && ENVIRONMENT.has(code)) return new PipelineError('PH_SYSTEM', errorMessage(error), { cause: error });
  return new PipelineError('PH_UNEXPECTED', errorMessage(error), { cause: error });
}

function fullStack(error: Error): string {
  const cause = error.cause instanceof Error ? `\ncaused by ${fullStack(error.cause)}` : '';
  return `${error.stack ?? error.message}${cause}`;
}
