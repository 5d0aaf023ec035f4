import { defineConfig, type ViteUserConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

// Two lanes. `npm test` runs the quick projects without tests tagged `full`; it needs only Node.
// `npm run test:full` runs all tests, including kills, timeouts, real Redis, S3, collector and Jaeger.

/** Slow tests, and tests that need other programs. */
const FULL_FILES = ['test/**/*.full.test.ts'];

/** Tests of the whole system with all servers. */
const END_TO_END_FILES = ['test/end-to-end/**/*.test.ts'];

/**
 * Tests that change process-wide state: the global recorder, the open trail, signal handlers. Each file gets a process;
 * the other quick files share two processes, which halves the duration of the lane.
 */
const ISOLATED_FILES = [
  'test/*.test.ts',
  'test/{agent,build,docs,examples,export,journal,queue,record,service,trail}/**/*.test.ts',
  // They replace calls of node:fs.
  'test/store/lease/lease.test.ts',
  'test/store/write/line-sync.test.ts',
  'test/store/write/request-sync.test.ts',
  'test/system/files/sync-directory.test.ts',
  'test/system/lease-guard.test.ts',
];

/** They wait for a third of their time, so that three files share two cores; and tests of a file that wait run beside each other. */
const SLOW = { maxConcurrency: 3, maxWorkers: 3 };

const config: ViteUserConfig = defineConfig({
  test: {
    // Tests start child processes of the compiled program.
    globalSetup: ['test/support/build.ts'],
    sequence: { sequencer: LongestFirst },
    setupFiles: [
      'test/support/name-test.ts',
      'test/support/leftover-processes.ts',
      'test/support/watch-answers.ts',
    ],
    tags: [
      { name: 'full', description: 'takes seconds, kills processes, or needs another program' },
      { name: 'long', description: 'takes long, and other tests have most of its faults: CI leaves it out' },
    ],
    // Starting a process takes seconds on two busy cores. A deadline only ends a test that fails: none is a measurement.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // In CI a test that fails is tried once more, and the report names it. Storms are not.
    retry: process.env.CI === undefined ? 0 : 1,
    expect: { poll: { timeout: 45_000, interval: 10 } },
    projects: [
      project('quick', {
        include: ['test/**/*.test.ts'],
        exclude: [...FULL_FILES, ...END_TO_END_FILES, ...ISOLATED_FILES],
        isolate: false,
      }),
      project('quick-isolated', { include: ISOLATED_FILES, exclude: [...FULL_FILES, ...END_TO_END_FILES] }),
      project('full', { ...SLOW, include: FULL_FILES, exclude: END_TO_END_FILES }),
      project('end-to-end', {
        ...SLOW,
        include: END_TO_END_FILES,
        // Data passes several servers, whose batch and scrape intervals add up.
        testTimeout: 120_000,
        // A hook may build a server first.
        hookTimeout: 300_000,
      }),
    ],
  },
});

interface Project {
  readonly include: string[];
  readonly exclude?: string[];
  readonly isolate?: boolean;
  readonly maxWorkers?: number;
  readonly maxConcurrency?: number;
  readonly testTimeout?: number;
  readonly hookTimeout?: number;
}

function project(name: string, test: Project): { extends: true; test: Project & { name: string } } {
  // The default on two cores is one file at a time. The command line does not reach the projects.
  return { extends: true, test: { name, maxWorkers: 2, ...test } };
}

export default config;
