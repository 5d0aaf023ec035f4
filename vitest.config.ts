import { defineConfig, type ViteUserConfig } from 'vitest/config';

// Two lanes. `npm test` runs the project `quick` without the tests that are tagged `full`: it needs Node alone.
// `npm run test:full` runs everything: kills, waits, real Redis, S3, collector and Jaeger.

/** What takes long, or needs another program. */
const FULL_FILES = ['test/**/*.full.test.ts'];

/** The whole with its servers. */
const END_TO_END_FILES = ['test/end-to-end/**/*.test.ts'];

/**
 * Tests of what belongs to a process as a whole: its recorder, its open trail, its handlers of signals. Each file has a
 * process of its own; the other quick files share two, which halves the time of the lane.
 */
const ISOLATED_FILES = [
  'test/*.test.ts',
  'test/{agent,build,docs,examples,export,journal,queue,record,service,trail}/**/*.test.ts',
];

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
      project('quick', {
        include: ['test/**/*.test.ts'],
        exclude: [...FULL_FILES, ...END_TO_END_FILES, ...ISOLATED_FILES],
        isolate: false,
      }),
      project('quick-isolated', { include: ISOLATED_FILES, exclude: [...FULL_FILES, ...END_TO_END_FILES] }),
      project('full', { include: FULL_FILES, exclude: END_TO_END_FILES }),
      project('end-to-end', {
        include: END_TO_END_FILES,
        // Data is there after the batches and scrapes of several servers, seconds each.
        testTimeout: 120_000,
        // In which a server may be started that was never built.
        hookTimeout: 300_000,
      }),
    ],
  },
});

interface Project {
  readonly include: string[];
  readonly exclude?: string[];
  readonly isolate?: boolean;
  readonly testTimeout?: number;
  readonly hookTimeout?: number;
}

function project(name: string, test: Project): { extends: true; test: Project & { name: string } } {
  return { extends: true, test: { name, ...test } };
}

export default config;
