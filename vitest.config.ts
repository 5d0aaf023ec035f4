import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // They have a configuration of their own: test/end-to-end/vitest.config.ts.
    exclude: ['test/end-to-end/**'],
    globalSetup: ['test/support/build.ts'],
    // Crash and system tests start real processes; on two busy cores a start takes seconds.
    testTimeout: 30_000,
    hookTimeout: 30_000,
    // Most of what takes long waits: for a lock in Redis to run out, for a silence to be one. One file at a time, which is
    // the default on two cores, would leave both idle.
    maxWorkers: 2,
  },
});

export default config;
