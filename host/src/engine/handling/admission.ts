import { PipelineError } from '@pipeline-host/sdk';
import { HEADER, headerText } from '../../retry/headers.ts';
import type { Intake, TakenRecord } from '../intake/intake.ts';
import type { Holding } from '../outage/holding.ts';
import type { Lanes } from '../records/lanes.ts';
import type { RecordWriter } from '../records/record-writer.ts';
import { type BatchMark, WorkItem } from '../records/work-item.ts';

export interface AdmissionOptions {
  readonly intake: Pick<Intake, 'take' | 'takeUntried'>;
  readonly lanes: Lanes;
  readonly holding: Holding;
  readonly writer: Pick<RecordWriter, 'homeOf'>;
  /** The assignment is being handed over. */
  readonly isDraining: () => boolean;
  /** Something that no retry mends: the unit fails. */
  readonly onFatal: (error: unknown) => void;
}

/** Which record's turn it is. */
export class Admission {
  readonly #options: AdmissionOptions;

  constructor(options: AdmissionOptions) {
    this.#options = options;
  }

  /**
   * The next record that may start: of a lane that became free, else a new one whose key is not in work.
   *
   * @param untried one that was never tried is wanted before one that comes back
   */
  next(batch: BatchMark | null, untried = false): WorkItem | undefined {
    const { holding, intake, lanes } = this.#options;
    for (;;) {
      const ready = lanes.takeReady();
      if (ready !== undefined) {
        if (!this.isLeft(ready)) return ready;
        // It stays for the next owner, but one behind it may be of another partition, whose later records were started.
        lanes.pass(ready);
        continue;
      }
      const taken = untried ? intake.takeUntried() : intake.take();
      if (taken === undefined) return undefined;
      if (taken.partition.lane !== null && this.#isMisplaced(taken)) return undefined;
      const item = new WorkItem(taken.partition, taken.record);
      // What is not to be called waits for its key, and joins no batch with it.
      if (lanes.admit(item, this.heldBy(item) === null ? batch : null)) return item;
      holding.waits(item);
    }
  }

  /** While a partition is handed over, what no later record has overtaken stays for the next owner. */
  isLeft({ state, record }: WorkItem): boolean {
    return state.closed || (this.#options.isDraining() && record.offset > state.highestStarted);
  }

  /** What a record waits for that comes back from a delay lane, if that is still out. */
  heldBy(item: WorkItem): string | null {
    const heldBy = item.state.lane === null ? undefined : headerText(item.record.headers, HEADER.heldBy);
    return heldBy !== undefined && this.#options.holding.isHeld(item, heldBy) ? heldBy : null;
  }

  /** Lanes that were made for another policy or number of partitions would mix up the keys: the unit stops, its records wait. */
  #isMisplaced({ partition, record }: TakenRecord): boolean {
    const home = this.#options.writer.homeOf(record);
    if (home === null || home === partition.source) return false;
    this.#options.onFatal(
      new PipelineError(
        'PH_RETRY_TOPIC_SHAPE',
        `offset ${record.offset} of ${partition.topic}/${partition.partition} came from a source partition whose lanes are elsewhere now`,
      ),
    );
    return true;
  }
}
