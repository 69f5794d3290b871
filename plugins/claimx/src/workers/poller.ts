import { definePoller } from '@pipeline-host/sdk';
import { EventRow, upgradeEventRow } from '../schemas/event.ts';
import { eventsRaw } from '../topics.ts';

/** Reads the source table of events. */
export const poller = definePoller({
  query: 'tbl_CLAIMXPERIENCE_EVENTS',
  row: EventRow,
  produces: eventsRaw,
  map: upgradeEventRow,
  identity: (row) => upgradeEventRow(row).trace_id,
});
