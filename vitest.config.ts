import { defineConfig, type ViteUserConfig } from 'vitest/config';

const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    // Crash and system tests start real processes; on two busy cores a start takes seconds.
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});

export default config;
