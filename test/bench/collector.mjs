import { benchCost } from './collector-cost.mjs';
import { benchDelay } from './collector-delay.mjs';
import { benchFileExporter } from './collector-file.mjs';
import { findCollector } from './collector-process.mjs';

/** The way through a collector, and the collector's own way to a file for each task. */
export async function benchCollector() {
  const program = await findCollector();
  // The other parts of the bench are worth their figures without it.
  if (program === undefined) return [{ what: 'through a collector', ratio: '-', absolute: 'there is none' }];
  return [
    ...(await benchCost(program)),
    ...(await benchDelay(program)),
    ...(await benchFileExporter(program)),
  ];
}
