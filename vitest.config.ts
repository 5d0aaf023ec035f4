import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Two lanes. `npm test` runs the project `quick` without the tests that are tagged `full`: it needs Node alone.
// `npm run test:full` runs everything: kills, waits, real Redis, S3, collector and Jaeger.

/** What takes long, or needs another program. */
const FULL_FILES = ['test/**/*.full.test.ts'];

/** The whole with its servers. */
const END_TO_END_FILES = ['test/end-to-end/**/*.test.ts'];

const config: ViteUserConfig = defineConfig({
  test: {
    // Child processes of tests run the compiled program.
    globalSetup: ['test/support/build.ts'],
    setupFiles: ['test/support/leftover-processes.ts'],
    tags: [{ name: 'full', description: 'takes seconds, kills processes, or needs another program' }],
    // Most of what takes long waits. One file at a time, the default on two cores, would leave both idle.
    maxWorkers: 2,
    // On two busy cores the start of a process takes seconds.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'quick',
          include: ['test/**/*.test.ts'],
          exclude: [...FULL_FILES, ...END_TO_END_FILES],
        },
      },
      { extends: true, test: { name: 'full', include: FULL_FILES, exclude: END_TO_END_FILES } },
      {
        extends: true,
        test: {
          name: 'end-to-end',
          include: END_TO_END_FILES,
          // Data is there after the batches and scrapes of several servers, seconds each.
          testTimeout: 120_000,
          // In which a server may be started that was never built.
          hookTimeout: 300_000,
        },
      },
    ],
  },
});

export default config;
