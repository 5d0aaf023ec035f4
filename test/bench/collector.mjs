import { benchCost } from './collector-cost.mjs';
import { benchDelay } from './collector-delay.mjs';
import { benchFileExporter } from './collector-file.mjs';
import { findCollector } from './collector-process.mjs';

/** Sending through a collector, and the collector's file exporter compared to the store. */
export async function benchCollector() {
  const program = await findCollector();
  // The bench continues without a collector.
  if (program === undefined) return [{ what: 'through a collector', ratio: '-', absolute: 'not available' }];
  return [
    ...(await benchCost(program)),
    ...(await benchDelay(program)),
    ...(await benchFileExporter(program)),
  ];
}
