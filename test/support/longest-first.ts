import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of more than half a minute, the longest first. One that begins last leaves the other workers idle until its end. */
const LONG: readonly string[] = [
  'store/power-cut.full',
  'storm/storm.full',
  'cli/run/run.full',
  'service/agent-crash.full',
  'end-to-end/bad-input',
  'cli/workflow/commands.full',
  'service/serve-worker.full',
  'store/disk-fault-kinds.full',
  'service/crash.full',
  'end-to-end/kills',
  'serve/contract/fuzz.full',
  'service/hostile-requests.full',
  'end-to-end/fan-out',
  'linear-patterns.full',
  'build/build.full',
  'service/cancel.full',
  'cli/emit.full',
];

/** Vitest sorts by size what it has not measured in this checkout, and the size of a test says little about its time. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    return sorted.toSorted((a, b) => rank(a) - rank(b));
  }
}

function rank({ moduleId }: TestSpecification): number {
  const index = LONG.findIndex((name) => moduleId.endsWith(`/test/${name}.test.ts`));
  return index < 0 ? LONG.length : index;
}
