import { aroundEach } from 'vitest';
import { CURRENT_TEST } from './current-test.ts';

/** A setup file: what a test calls finds the test. */
aroundEach((runTest, context) => CURRENT_TEST.run(context, runTest));
