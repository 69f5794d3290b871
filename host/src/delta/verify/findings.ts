/** What is looked at, in this order. */
const CHECKS = ['versions', 'checkpoints', 'files', 'schema', 'statistics', 'deletion vectors', 'partitions', 'merge key'] as const;
export type Check = (typeof CHECKS)[number];

/** A promise on a table that does not hold. */
export interface VerifyFault {
  readonly code: 'PH_DELTA_VERIFY';
  readonly check: Check;
  /** Below the table's folder, for partition values as the log writes it; null where it is about the table. */
  readonly file: string | null;
  readonly column: string | null;
  readonly is: string;
  readonly should: string;
}

export interface CheckCount {
  readonly check: Check;
  /** Versions, checkpoints, files or values that were looked at. */
  readonly looked: number;
  readonly faults: number;
}

/** What a verification has found so far. */
export class Findings {
  readonly #looked = new Map<Check, number>();
  readonly #faults: VerifyFault[] = [];

  get faults(): readonly VerifyFault[] {
    return this.#faults;
  }

  looked(check: Check, count = 1): void {
    this.#looked.set(check, (this.#looked.get(check) ?? 0) + count);
  }

  fault(check: Check, { file = null, column = null, is, should }: Partial<VerifyFault> & Pick<VerifyFault, 'is' | 'should'>): void {
    this.#faults.push({ code: 'PH_DELTA_VERIFY', check, file, column, is, should });
  }

  counts(): readonly CheckCount[] {
    return CHECKS.map((check) => ({
      check,
      looked: this.#looked.get(check) ?? 0,
      faults: this.#faults.filter((fault) => fault.check === check).length,
    }));
  }
}
