import { join } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import type { ForeignEngine } from '../integration/foreign/engines.ts';
import type { Fleet } from './fleet.ts';
import { idOf, taskOf } from './repeats.ts';
import type { ChaosWorld, SentEvent } from './world.ts';

const ACCOUNT_PATIENCE = 60_000;
const LOOK = 200;

/** One line of the account. */
export interface Finding {
  readonly name: string;
  readonly holds: boolean;
  readonly detail: string;
}

export const finding = (name: string, holds: boolean, detail: string | number): Finding => ({
  name,
  holds,
  detail: typeof detail === 'number' ? detail.toLocaleString('en-US') : detail,
});

const same = (name: string, expected: number, actual: number): Finding =>
  finding(name, expected === actual, expected === actual ? actual : `${expected} expected, ${actual} found`);

/** What must hold when everything is through, read from topics, tables, files and the processes themselves. */
export async function verify(world: ChaosWorld, fleet: Fleet, readers: readonly ForeignEngine[]): Promise<readonly Finding[]> {
  const sums = (await world.sums()).map(({ name, expected, actual }) => same(name, expected, actual));
  return [...sums, ...(await rowsOnce(world, readers)), ...(await tasksInOrder(world)), ...(await accounts(world, fleet))];
}

async function rowsOnce({ pipeline, sent }: ChaosWorld, readers: readonly ForeignEngine[]): Promise<readonly Finding[]> {
  const events = (await pipeline.results().rows('xact_events', ['trace_id'])).map((row) => String(row['trace_id'])).toSorted();
  const valid = sent
    .filter(({ event }) => event.valid)
    .map(({ event }) => event.traceId)
    .toSorted();
  const differing = events.findIndex((traceId, index) => traceId !== valid[index]);
  const media = (await pipeline.results().rows('xact_attachments', ['media_id'])).map((row) => String(row['media_id']));
  const findings = [
    finding('each valid event has one row of xact_events', differing === -1 && events.length === valid.length, events.length),
    same('rows of xact_attachments = different media ids', media.length, new Set(media).size),
  ];
  for (const reader of readers) {
    for (const [table, rows] of [
      ['xact_events', events.length],
      ['xact_attachments', media.length],
    ] as const)
      findings.push(
        same(
          `rows of ${table} for ${reader.name}`,
          rows,
          (await reader.read(join(pipeline.folder, 'tables', table), { rows: false })).count,
        ),
      );
  }
  return findings;
}

/** The ingester sends an event's tasks before it begins with the key's next event, whichever process has the key by then. */
async function tasksInOrder({ pipeline, sent }: ChaosWorld): Promise<readonly Finding[]> {
  const planned = sent.reduce((sum, { event }) => sum + event.attachments.length, 0);
  const once = new Map<string, SentEvent>();
  const twice = new Set<string>();
  for (const each of sent) {
    if (once.has(each.event.traceId)) twice.add(each.event.traceId);
    once.set(each.event.traceId, each);
  }
  /** When the first task of an event was sent, and when the last: of copies, the first counts. */
  const times = new Map<SentEvent, { first: number; last: number }>();
  const ids = new Set<string>();
  const topic = pipeline.worker('downloader').consumes?.topic ?? '';
  const records = await (await pipeline.cluster()).read({ topic });
  for (const record of records.toSorted((left, right) => left.timestamp - right.timestamp)) {
    if (ids.has(idOf(record))) continue;
    ids.add(idOf(record));
    const traceId = taskOf(record.value).trace_id;
    const event = once.get(traceId);
    if (event === undefined || twice.has(traceId)) continue;
    const time = times.get(event) ?? { first: record.timestamp, last: record.timestamp };
    time.last = record.timestamp;
    times.set(event, time);
  }
  let compared = 0;
  let wrong = 0;
  for (const events of Map.groupBy(times, ([{ key }]) => key).values()) {
    const inOrder = events.toSorted(([left], [right]) => left.position - right.position);
    for (const [index, [, { last }]] of inOrder.entries()) {
      const next = inOrder[index + 1]?.[1];
      if (next === undefined) continue;
      compared++;
      if (next.first < last) wrong++;
    }
  }
  return [
    same('attachments of events = different tasks in downloads.pending', planned, ids.size),
    finding(
      'neighbours of one key whose tasks were sent in order',
      wrong === 0 && compared > 0,
      wrong === 0 ? compared : `${wrong} of ${compared} were not`,
    ),
  ];
}

/** Waits until the accounts hold: members that lost the broker are still about to share out their partitions anew, and accounts are probed now and then. */
export async function accounts(world: ChaosWorld, fleet: Fleet): Promise<readonly Finding[]> {
  const deadline = performance.now() + ACCOUNT_PATIENCE;
  for (;;) {
    const findings = await conserved(world, fleet);
    if (findings.every(({ holds }) => holds) || performance.now() > deadline) return findings;
    await wait(LOOK);
  }
}

/** By the workers' own account: what was between start and end of their partitions is settled, nothing is open, nothing missing. */
async function conserved({ pipeline }: ChaosWorld, fleet: Fleet): Promise<readonly Finding[]> {
  const findings = [
    finding('offsets that a unit lost count of, at any time', fleet.missing.length === 0, [...new Set(fleet.missing)].join('; ') || '0'),
  ];
  for (const { name, consumes } of pipeline.topology.workers) {
    if (consumes === null) continue;
    const units = [...fleet.members].filter(({ worker }) => worker === name).flatMap(({ last }) => last?.balance ?? []);
    const open = units.reduce((sum, balance) => sum + balance.open, 0);
    const ends = units.filter(({ topic }) => topic === consumes.topic).reduce((sum, { end }) => sum + end, 0);
    const offsets = await (await pipeline.admin()).offsets(consumes.topic);
    findings.push(
      same(
        `records of ${consumes.topic} = those in the accounts of ${name}`,
        offsets.reduce((sum, { high }) => sum + high, 0),
        ends,
      ),
      same(`records that ${name} says are open`, 0, open),
    );
  }
  return findings;
}
