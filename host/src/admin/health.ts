import { type Static, Type } from '@sinclair/typebox';
import type { HostStatus, UnitStatus } from '../engine/status.ts';

const Unit = Type.Object({
  unit: Type.String(),
  state: Type.String(),
  reason: Type.Optional(Type.String()),
  code: Type.Optional(Type.String()),
});

/** Body of both health routes. `reasons` is empty where `status` is `ok`. */
export const Health = Type.Object({
  status: Type.Union([Type.Literal('ok'), Type.Literal('failing')]),
  reasons: Type.Array(Type.String()),
  units: Type.Array(Unit),
});
export type Health = Static<typeof Health>;

/**
 * Whether a restart would help: only a stalled unit or a blocked event loop says so. An outage of a dependency does not,
 * since the host survives it without a restart.
 */
export function liveness(status: HostStatus, blockedFor: number | null): Health {
  const reasons = status.units.filter((unit) => unit.state.kind === 'stalled').map(describe);
  if (blockedFor !== null) reasons.unshift(`the event loop was blocked for ${(blockedFor / 1000).toFixed(1)} s`);
  return health(status, reasons);
}

/** Whether every unit does its work now. Readiness never lies: a paused, failed, stalled, starting or stopping unit makes it fail. */
export function readiness(status: HostStatus): Health {
  const reasons = status.units.filter((unit) => unit.state.kind !== 'idle' && unit.state.kind !== 'working').map(describe);
  if (status.units.length === 0) reasons.push('no unit is running');
  return health(status, reasons);
}

function health(status: HostStatus, reasons: string[]): Health {
  return { status: reasons.length === 0 ? 'ok' : 'failing', reasons, units: status.units.map(unitHealth) };
}

function unitHealth(unit: UnitStatus): Static<typeof Unit> {
  const { state } = unit;
  return {
    unit: unit.id,
    state: state.kind,
    ...('reason' in state && { reason: state.reason }),
    ...('code' in state && { code: state.code }),
  };
}

function describe(unit: UnitStatus): string {
  return 'reason' in unit.state ? `${unit.id} is ${unit.state.kind}: ${unit.state.reason}` : `${unit.id} is ${unit.state.kind}`;
}
