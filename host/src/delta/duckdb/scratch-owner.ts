import { createHash, randomUUID } from 'node:crypto';
import { readFile, readlink } from 'node:fs/promises';
import { hostname } from 'node:os';
import { errorNumber } from '../../storage/index.ts';

/** Nothing else is anyone's scratch: the folder may hold what others called `ph-delta-lake`. */
const NAME = /^ph-delta-(?<world>[0-9a-f]{12})-(?<pid>\d+)-(?<start>\d+)-/;
/** Instead of the time at which a process started, where the system does not tell it. */
const UNKNOWN_START = '0';

/** What of a scratch folder's owner its name tells. `other`: a process that cannot be seen from here. */
export type OwnerState = 'alive' | 'dead' | 'other';

/**
 * Processes whose ids mean the same: those of one running system and one PID namespace. A process id alone proves nothing.
 * Containers that share a folder or `/dev/shm` have each a process 1, and an id is given again to another process.
 */
export class ScratchOwner {
  readonly #world: string;
  readonly #start: string;

  private constructor(world: string, start: string) {
    this.#world = world;
    this.#start = start;
  }

  /** This process. */
  static async find(): Promise<ScratchOwner> {
    const [boot, namespace, self] = await Promise.all([
      readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => null),
      readlink('/proc/self/ns/pid').catch(() => null),
      readlink('/proc/self').catch(() => null),
    ]);
    // Where there is no /proc there are no PID namespaces either.
    const world = `${boot ?? hostname()} ${namespace ?? ''}`;
    // A container may see another namespace's /proc, in which its ids are those of strangers.
    const start = self === String(process.pid) ? await startOf(process.pid) : null;
    return new ScratchOwner(createHash('sha256').update(world).digest('hex').slice(0, 12), start ?? UNKNOWN_START);
  }

  /** A new name for a folder of this process. */
  newName(): string {
    return `ph-delta-${this.#world}-${process.pid}-${this.#start}-${randomUUID()}`;
  }

  /** Null for what is no scratch folder's name. */
  async stateOf(name: string): Promise<OwnerState | null> {
    const groups = NAME.exec(name)?.groups;
    if (groups === undefined) return null;
    const { world, pid, start } = groups;
    if (world !== this.#world) return 'other';
    if (!isRunning(Number(pid))) return 'dead';
    if (this.#start === UNKNOWN_START || start === UNKNOWN_START) return 'alive';
    const running = await startOf(Number(pid));
    // Of another user's process the system may tell nothing but that it is there.
    return running === null || running === start ? 'alive' : 'dead';
  }
}

/** When a process started, in ticks since the system did (proc(5), field 22); null where that is not told. */
async function startOf(pid: number): Promise<string | null> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => null);
  // The name of the program, in parentheses, may hold anything.
  const start = text?.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  return start !== undefined && /^\d+$/.test(start) ? start : null;
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errorNumber(error) !== 'ESRCH';
  }
}
