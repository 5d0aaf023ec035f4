#!/usr/bin/env node
// Scripts run `emit` often, so it starts without loading the other commands.
process.exitCode =
  process.argv[2] === 'emit'
    ? await (await import('./emit.ts')).emit(process.argv.slice(3))
    : await (await import('./program.ts')).runProgram(process.argv);

// Makes this file a module: top-level await needs one.
export {};
