import { parentPort, workerData } from 'node:worker_threads';
import type { IndexStart } from './index-messages.ts';
import { runIndex } from './index-program.ts';

// What the thread of the index runs.

if (parentPort !== null) await runIndex(parentPort, workerData as IndexStart);
