#!/usr/bin/env node
// Scripts run `emit` at every turn: it does not wait until the other commands are loaded.
process.exitCode =
  process.argv[2] === 'emit'
    ? await (await import('./emit.ts')).emit(process.argv.slice(3))
    : await (await import('./program.ts')).runProgram(process.argv);

// Without it this would be a script, in which nothing can be waited for.
export {};
