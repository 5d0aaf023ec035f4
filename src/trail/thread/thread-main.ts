import { parentPort, workerData } from 'node:worker_threads';
import { runHolderProgram } from './program.ts';
import type { ThreadStart } from './thread-start.ts';

// What the holder's thread runs.

if (parentPort !== null) await runHolderProgram(parentPort, workerData as ThreadStart, { isAlone: true });
