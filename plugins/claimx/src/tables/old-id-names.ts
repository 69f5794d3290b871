/** What tables of the systems before us call the id of the event: whichever is there is written. */
export const OLD_ID_NAMES = { trace_id: ['event_id', 'source_event_id'] } as const;
