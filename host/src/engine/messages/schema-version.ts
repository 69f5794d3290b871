import type { TopicDefinition } from '@pipeline-host/sdk';
import type { RecordHeaders } from '../../kafka/driver.ts';
import { HEADER, headerText } from '../../retry/headers.ts';

/** The `ph.schema` header of a message: the topic's own name and the version of its schema, `downloads.pending@2`. */
export function schemaHeader({ name, version }: TopicDefinition): string {
  return `${name}@${version}`;
}

/** The version that a record's header names; 0 where it names none, as other senders do. */
export function schemaVersion(headers: RecordHeaders): number {
  if (headers[HEADER.schema] === undefined) return 0;
  const text = headerText(headers, HEADER.schema) ?? '';
  const version = Number(text.slice(text.lastIndexOf('@') + 1));
  return Number.isSafeInteger(version) ? version : 0;
}
