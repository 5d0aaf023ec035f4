import { defineConfig, type ViteUserConfig } from 'vitest/config';

/** The tests that need a collector, Jaeger, Prometheus and S3: real ones, which `test/tools/build.sh` makes. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/end-to-end/**/*.test.ts'],
    globalSetup: ['test/support/build.ts'],
    // What goes through several servers is there after their batches and scrapes, seconds each.
    testTimeout: 120_000,
    // In which a server may be started that was never built.
    hookTimeout: 300_000,
    // Each file starts a handful of servers, and mostly waits for them.
    maxWorkers: 2,
  },
});

export default config;
