import { type Static, Type } from '@sinclair/typebox';

/**
 * What was done with a dead letter: a journal of entries in one total order, the same for every process that reads it.
 * An entry that the state before it does not allow has no effect, so that of two processes that act on one dead letter
 * at once the first in the journal wins and the other one learns that it lost. Entries are never taken back.
 */

const Common = {
  v: Type.Literal(1),
  partition: Type.Integer(),
  offset: Type.Integer(),
  /** Of the dead letter: a topic that was made anew has another one at the same offset. */
  timestamp: Type.Integer(),
  token: Type.String(),
  at: Type.String(),
};
const Lane = Type.Object({
  topic: Type.String(),
  partition: Type.Integer(),
  /** End of the lane before the claim: what is sent stands there or later. */
  from: Type.Integer(),
});

export const Entry = Type.Union([
  /** The replay is about to be sent: written before, so that whoever finds it unfinished knows where to look. */
  Type.Object({
    ...Common,
    kind: Type.Literal('claimed'),
    actor: Type.String(),
    reason: Type.Union([Type.String(), Type.Null()]),
    again: Type.Boolean(),
    target: Lane,
  }),
  /** It stands in its lane. */
  Type.Object({ ...Common, kind: Type.Literal('sent'), sentTo: Type.Integer() }),
  /** It does not, and whoever claimed it is gone or gave up. */
  Type.Object({ ...Common, kind: Type.Literal('abandoned'), reason: Type.String() }),
  Type.Object({ ...Common, kind: Type.Literal('discarded'), actor: Type.String(), reason: Type.String() }),
]);
export type Entry = Static<typeof Entry>;
type ClaimedEntry = Extract<Entry, { kind: 'claimed' }>;

/** Which dead letter of its queue it is. */
export type LetterPlace = Pick<Entry, 'partition' | 'offset' | 'timestamp'>;

export interface Claim {
  readonly token: string;
  /** 1 for the first replay, one more for each that was asked for again. */
  readonly count: number;
  readonly target: Static<typeof Lane>;
}

/** One step of a dead letter's life. */
export interface HistoryStep {
  readonly what: 'replaying' | 'replayed' | 'abandoned' | 'discarded';
  readonly at: string;
  readonly actor: string | null;
  readonly reason: string | null;
  readonly target: { readonly topic: string; readonly partition: number; readonly offset: number | null } | null;
}

export interface Disposition {
  readonly state: 'open' | 'replaying' | 'replayed' | 'discarded';
  /** How often it was replayed. */
  readonly replays: number;
  readonly history: readonly HistoryStep[];
  /** The last one that took effect. */
  readonly claim: Claim | null;
  /** Token of the entry that led to the present state. */
  readonly token: string | null;
}

export const UNTOUCHED: Disposition = { state: 'open', replays: 0, history: [], claim: null, token: null };

/** Whether a replay may be claimed now. */
export function isFree({ state }: Disposition, again: boolean): boolean {
  return state === 'open' || (again && (state === 'replayed' || state === 'discarded'));
}

/** The disposition after an entry; the same object where the entry has no effect. */
export function applyEntry(before: Disposition, entry: Entry): Disposition {
  const { claim, history, replays } = before;
  const isOfClaim = claim !== null && claim.token === entry.token;
  switch (entry.kind) {
    case 'claimed':
      return isFree(before, entry.again) ? claimed(before, entry) : before;
    case 'sent': {
      // Also after it was abandoned: whoever was taken for dead may have sent it all the same.
      if (!isOfClaim || before.state === 'replayed') return before;
      const { topic, partition } = claim.target;
      const step = stepOf('replayed', entry, { target: { topic, partition, offset: entry.sentTo } });
      return { ...before, state: 'replayed', replays: replays + 1, token: entry.token, history: [...history, step] };
    }
    case 'abandoned':
      if (!isOfClaim || before.state !== 'replaying') return before;
      return { ...before, state: 'open', token: entry.token, history: [...history, stepOf('abandoned', entry, { reason: entry.reason })] };
    case 'discarded': {
      if (before.state !== 'open') return before;
      const step = stepOf('discarded', entry, { actor: entry.actor, reason: entry.reason });
      return { ...before, state: 'discarded', token: entry.token, history: [...history, step] };
    }
  }
}

function claimed(before: Disposition, entry: ClaimedEntry): Disposition {
  const count = before.replays + 1;
  const { topic, partition } = entry.target;
  const earlier = before.claim?.count === count ? before.claim.target : null;
  // A claim that was abandoned may still reach its lane: what looks for it must look from there on.
  const isSameLane = earlier !== null && earlier.topic === topic && earlier.partition === partition;
  const target = isSameLane ? { ...entry.target, from: Math.min(earlier.from, entry.target.from) } : entry.target;
  const step = stepOf('replaying', entry, { actor: entry.actor, reason: entry.reason, target: { topic, partition, offset: null } });
  return {
    ...before,
    state: 'replaying',
    claim: { token: entry.token, count, target },
    token: entry.token,
    history: [...before.history, step],
  };
}

function stepOf(
  what: HistoryStep['what'],
  { at }: Entry,
  { actor = null, reason = null, target = null }: Partial<Pick<HistoryStep, 'actor' | 'reason' | 'target'>>,
): HistoryStep {
  return { what, at, actor, reason, target };
}
