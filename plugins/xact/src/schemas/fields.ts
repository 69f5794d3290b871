import { Id, Integer, type Static } from '@pipeline-host/sdk';

/** A full URL with its signature: longer than any id, and never a reason to lose an event. */
export const Url = () => Id({ maxLength: 1024 ** 2 });

/** A `/`-separated path of up to five segments of 255 bytes. */
export const BlobPath = () => Id({ maxLength: 2048 });

/** A whole number, not negative. */
export const Count = (options: { readonly default?: number } = {}) => Integer({ minimum: 0, ...options });

/** What every message about an attachment carries. */
export const attachmentFields = {
  trace_id: Id(),
  media_id: Id(),
  attachment_url: Url(),
  status_subtype: Id(),
  file_type: Id(),
  assignment_id: Id(),
};

type Attachment = { readonly [Field in keyof typeof attachmentFields]: Static<(typeof attachmentFields)[Field]> };

/** These fields alone: what else a sender put into a message goes no further. */
export function attachmentOf({ trace_id, media_id, attachment_url, status_subtype, file_type, assignment_id }: Attachment): Attachment {
  return { trace_id, media_id, attachment_url, status_subtype, file_type, assignment_id };
}
