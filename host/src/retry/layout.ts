/**
 * How a retry topic is divided: the partitions c·lanes … c·lanes + lanes − 1 hold what came from the source partitions p
 * with p mod classes = c. With a class for each source partition (or more) each has lanes of its own.
 */
export interface RetryLayout {
  readonly lanes: number;
  readonly classes: number;
}

/** What a worker wants of its retry topic. */
export interface RetryShape {
  /** Lane 0 for replays, and one for each wait. */
  readonly lanes: number;
  /** Whole sets of exactly these lanes, however many partitions the source has: several workers share the topic, or it has the lane of replays alone. */
  readonly wholeSets: boolean;
}

/** The layout of a topic that is there; null where it was made for other lanes. */
export function layoutFor({ lanes, wholeSets }: RetryShape, partitions: number, sourcePartitions: number): RetryLayout | null {
  return wholeSets ? wholeSetsOf(partitions, lanes) : layoutOf(partitions, sourcePartitions, lanes);
}

/** Where a record from this source partition waits. */
export function retryPartition({ lanes, classes }: RetryLayout, sourcePartition: number, lane: number): number {
  return (sourcePartition % classes) * lanes + lane;
}

/** For a topic that is made now; null where not even one set of lanes has room. */
export function newLayout(sourcePartitions: number, lanes: number, mostPartitions: number): RetryLayout | null {
  const classes = Math.min(sourcePartitions, Math.floor(mostPartitions / lanes));
  return classes < 1 ? null : { lanes, classes };
}

/**
 * A topic with whole lane sets for each source partition has them, however many lanes that is: lanes taken out of the policy are still drained. Otherwise it was made
 * where partitions are scarce, or the source has grown: then its lane sets are shared.
 */
function layoutOf(partitions: number, sourcePartitions: number, lanes: number): RetryLayout | null {
  const each = partitions / sourcePartitions;
  if (Number.isInteger(each) && each >= lanes) return { lanes: each, classes: sourcePartitions };
  return wholeSetsOf(partitions, lanes);
}

function wholeSetsOf(partitions: number, lanes: number): RetryLayout | null {
  const classes = partitions / lanes;
  return Number.isInteger(classes) && classes >= 1 ? { lanes, classes } : null;
}
