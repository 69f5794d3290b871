import { createHash } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { PipelineError, type SourceMessage } from '@pipeline-host/sdk';
import type { UnitStatus } from '../../engine/status.ts';
import type { KafkaCluster } from '../../kafka/driver.ts';
import type { ResolvedWorker } from '../../plugins/topology.ts';
import { HEADER, headerText } from '../../retry/headers.ts';
import { counted } from '../counted.ts';
import type { DemoProcesses } from './processes.ts';

const KILLS = 8;
const LOOK = 20;
/** So long a process is waited for to have something open when it is killed. */
const IDLE_PATIENCE = 3_000;
const RETURN_PATIENCE = 30_000;

/** What a demo with killed processes adds to its summary. */
export interface ChaosSummary {
  readonly kills: number;
  /** Records that the killed processes had open when they were last asked, a moment before. */
  readonly openWhenKilled: number;
  /** Messages that workers sent to other workers. */
  readonly messages: number;
  /** Of these, copies of an earlier one: what was open or just settled at a kill is handled again. */
  readonly sentAgain: number;
}

export interface ChaosOptions {
  readonly processes: DemoProcesses;
  readonly workers: readonly string[];
  readonly seed: number;
  /** Sends the next of so many equal parts of the messages. */
  readonly publishPart: (part: number, parts: number) => Promise<void>;
  readonly say: (line: string) => void;
  readonly signal: AbortSignal;
}

/**
 * Publishes a part of the messages, kills a worker that works on it, starts it again, and so on. Which ones follows from
 * the seed. Returns what was killed.
 *
 * @throws PipelineError `PH_DEMO_STUCK` where a worker does not come back
 */
export async function publishUnderFire(options: ChaosOptions): Promise<Pick<ChaosSummary, 'kills' | 'openWhenKilled'>> {
  const victims = chooseVictims(options.workers, options.seed, KILLS);
  let kills = 0;
  let openWhenKilled = 0;
  for (const [part, worker] of victims.entries()) {
    await options.publishPart(part, victims.length);
    const open = await strike(worker, options);
    if (open === null) break;
    kills++;
    openWhenKilled += open;
  }
  return { kills, openWhenKilled };
}

/** All workers in an order that follows from the seed, and again in another one, until there are enough. */
export function chooseVictims(workers: readonly string[], seed: number, kills: number): readonly string[] {
  const rank = (round: number, worker: string): string => createHash('sha256').update(`${seed}/${round}/${worker}`).digest('hex');
  const rounds = Array.from({ length: Math.ceil(kills / workers.length) }, (_, round) =>
    workers.toSorted((left, right) => rank(round, left).localeCompare(rank(round, right))),
  );
  return rounds.flat().slice(0, kills);
}

/** Kills a worker's process and starts it again. The records that it had open; null where the demo was stopped. */
async function strike(worker: string, { processes, say, signal }: ChaosOptions): Promise<number | null> {
  const found = await until(
    () => processes.look(worker),
    (unit) => unit.open > 0,
    IDLE_PATIENCE,
    signal,
  );
  if (signal.aborted) return null;
  const open = found?.open ?? 0;
  const pid = processes.pid(worker);
  await processes.kill(worker);
  const began = performance.now();
  say(`✗ kill -9 ${worker} (process ${pid}) with ${counted(open, 'record')} open`);
  await processes.revive(worker);
  const back = await until(
    () => processes.look(worker),
    (unit) => unit.partitions > 0,
    RETURN_PATIENCE,
    signal,
  );
  if (signal.aborted) return null;
  if (back === undefined || back.partitions === 0) {
    throw new PipelineError('PH_DEMO_STUCK', `${worker} was started again and got no partitions`, { place: `worker ${worker}` });
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(1);
  say(
    `✓ ${worker} is back after ${seconds} s (process ${processes.pid(worker)}) and goes on with ${counted(back.partitions, 'partition')}`,
  );
  return open;
}

/** Looks until the unit is as wanted or patience is over; what was seen last. */
async function until(
  look: () => Promise<UnitStatus | undefined>,
  isWanted: (unit: UnitStatus) => boolean,
  patience: number,
  signal: AbortSignal,
): Promise<UnitStatus | undefined> {
  const deadline = performance.now() + patience;
  for (;;) {
    const unit = await look();
    if (signal.aborted || (unit !== undefined && isWanted(unit)) || performance.now() > deadline) return unit;
    await wait(LOOK, undefined, { signal }).catch(() => undefined);
  }
}

/** The `part`th of so many equal parts. */
export function partOf(messages: readonly SourceMessage[], part: number, parts: number): readonly SourceMessage[] {
  return messages.slice(Math.floor((messages.length * part) / parts), Math.floor((messages.length * (part + 1)) / parts));
}

/** Looks through the topics that the workers write. A message that is sent again has the identity of the first one. */
export async function countSentAgain(
  workers: readonly ResolvedWorker[],
  cluster: (name: string) => Promise<KafkaCluster>,
): Promise<Pick<ChaosSummary, 'messages' | 'sentAgain'>> {
  const topics = new Map(
    workers.flatMap(({ produces }) => [...produces.values()]).map((topic) => [`${topic.cluster}/${topic.topic}`, topic]),
  );
  let messages = 0;
  let sentAgain = 0;
  for (const topic of topics.values()) {
    const ids = new Set<string>();
    await (await cluster(topic.cluster)).scan({ topic: topic.topic }, ({ headers }) => {
      const id = headerText(headers, HEADER.id);
      if (id === undefined) return;
      messages++;
      if (ids.has(id)) sentAgain++;
      ids.add(id);
    });
  }
  return { messages, sentAgain };
}
