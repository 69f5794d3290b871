const RealDate = Date;
/** Milliseconds that `Date` is ahead, for all that share this process. */
let ahead = 0;
let users = 0;

const now = (): number => RealDate.now() + ahead;

const ShiftedDate = new Proxy(RealDate, {
  construct: (target, given: unknown[], made) => Reflect.construct(target, given.length === 0 ? [now()] : given, made) as object,
  apply: () => new RealDate(now()).toString(),
  get: (target, name, receiver) => (name === 'now' ? now : (Reflect.get(target, name, receiver) as unknown)),
});

/** `Date` of this process, so that plugins see the same time as the host. */
export interface DateShift extends Disposable {
  /** Puts it forward, for everyone in the process. */
  by(milliseconds: number): void;
}

/** In place until the last user has disposed of it; then `Date` is what it was. */
export function shiftDate(): DateShift {
  if (users++ === 0) globalThis.Date = ShiftedDate;
  let isDisposed = false;
  return {
    by: (milliseconds) => {
      ahead += milliseconds;
    },
    [Symbol.dispose]: () => {
      if (isDisposed) return;
      isDisposed = true;
      if (--users > 0) return;
      ahead = 0;
      if (globalThis.Date === ShiftedDate) globalThis.Date = RealDate;
    },
  };
}
