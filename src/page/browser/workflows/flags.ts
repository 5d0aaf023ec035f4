import type { Completeness } from '../../../client/api/shapes.ts';

const SENTENCES: Readonly<Record<keyof Completeness, string>> = {
  missing_phase: 'a planned phase is missing',
  missing_step: 'a step is missing',
  success_without_children: 'succeeded without a step',
  failed_child: 'succeeded with a failed part',
  no_end: 'has no end',
  approval_missing: 'an approval is missing',
  time_reversed: 'ends before it begins',
  disagrees: 'its document disagrees with its events',
};

/** What is odd about a workflow, in words. */
export function flagsOf(completeness: Completeness): readonly string[] {
  return Object.entries(SENTENCES).flatMap(([name, sentence]) =>
    completeness[name as keyof Completeness] ? [sentence] : [],
  );
}
