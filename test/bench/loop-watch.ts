/**
 * Imported into a process beside its program (`node --import`): SIGUSR2 begins to watch the event loop, and at its end the
 * process says how long the loop was held at most.
 */
import { writeSync } from 'node:fs';
import { monitorEventLoopDelay } from 'node:perf_hooks';

/** Milliseconds between two looks: what a healthy loop's longest "hold" is. */
const RESOLUTION = 5;

const histogram = monitorEventLoopDelay({ resolution: RESOLUTION });
process.on('SIGUSR2', () => {
  histogram.reset();
  histogram.enable();
});
process.on('exit', () => writeSync(process.stdout.fd, `longest hold ${(histogram.max / 1e6).toFixed(1)} ms\n`));
