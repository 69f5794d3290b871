import { Id, Integer, Nullable, Text, Type } from '@pipeline-host/sdk';

/** A full URL with its signature: longer than any id, and never a reason to lose an event. */
export const Url = () => Id({ maxLength: 1024 ** 2 });

/** A `/`-separated path of up to four segments of 255 bytes. */
export const BlobPath = () => Id({ maxLength: 2048 });

/** A whole number, not negative. */
export const Count = (options: { readonly default?: number } = {}) => Integer({ minimum: 0, ...options });

/** What an event is about, beside its project. */
export const subjectFields = {
  media_id: Nullable(Id()),
  task_assignment_id: Nullable(Id()),
  video_collaboration_id: Nullable(Id()),
  master_file_name: Nullable(Id()),
};

/** What every message about a media file carries. Older senders leave name and type empty. */
export const mediaFields = {
  media_id: Id(),
  project_id: Id(),
  download_url: Url(),
  file_type: Nullable(Text()),
  file_name: Nullable(Text()),
};

/** The event that a file came from. It must be there; messages of the older form (`source_event_id`) may come without one. */
export const OriginId = () => Type.Union([Id(), Type.Null()]);
