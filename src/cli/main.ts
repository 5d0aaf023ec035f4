#!/usr/bin/env node
const [command = ''] = process.argv.slice(2);

// Before the modules are loaded: that is when it grows.
if (['start', 'serve', 'worker'].includes(command))
  (await import('../system/young-heap.ts')).keepYoungHeapSmall();

// Scripts run `emit` often, so it starts without loading the other commands.
process.exitCode =
  command === 'emit'
    ? await (await import('./emit.ts')).emit(process.argv.slice(3))
    : await (await import('./program.ts')).runProgram(process.argv);

// Makes this file a module: top-level await needs one.
export {};
