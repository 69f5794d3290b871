import { contactHandler } from './contact.ts';
import type { Handler } from './handler.ts';
import { mediaHandler } from './media.ts';
import { projectHandler } from './project.ts';
import { taskHandler } from './task.ts';
import { videoHandler } from './video.ts';
import { xaLinkingHandler } from './xa-linking.ts';

/** Event types that are known, and who handles them. */
const HANDLERS = {
  PROJECT_CREATED: projectHandler,
  PROJECT_MFN_ADDED: projectHandler,
  PROJECT_FILE_ADDED: mediaHandler,
  CUSTOM_TASK_ASSIGNED: taskHandler,
  CUSTOM_TASK_COMPLETED: taskHandler,
  POLICYHOLDER_INVITED: contactHandler,
  POLICYHOLDER_JOINED: contactHandler,
  VIDEO_COLLABORATION_INVITE_SENT: videoHandler,
  VIDEO_COLLABORATION_COMPLETED: videoHandler,
  PROJECT_AUTO_XA_LINKING_UNSUCCESSFUL: xaLinkingHandler,
} as const satisfies Readonly<Record<string, Handler>>;
export type EventType = keyof typeof HANDLERS;

export const isEventType = (type: string): type is EventType => Object.hasOwn(HANDLERS, type);

export const handlerOf = (type: EventType): Handler => HANDLERS[type];
