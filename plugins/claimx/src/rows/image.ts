/**
 * A row that tells all of its columns but the named ones: null is a value, and clears what is stored. The compiler finds a
 * column that was forgotten.
 */
export type Image<Row, Unknown extends keyof Row = never> = {
  readonly [Column in Exclude<keyof Row, Unknown>]-?: Exclude<Row[Column], undefined>;
};

/** Which event rows come from, and when they were made: one ISO instant for all of them. */
export interface Stamp {
  readonly trace_id: string;
  readonly now: string;
}
