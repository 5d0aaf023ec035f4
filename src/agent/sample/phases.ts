import { CHANGELOG, DIFF, EDIT, MODULE, SPEC, TEST } from './exercise.ts';
import { titleOf } from './request.ts';
import type { ScratchFolder } from './scratch-folder.ts';
import type { Transcript } from './transcript.ts';

export interface PhaseWork {
  readonly transcript: Transcript;
  readonly folder: ScratchFolder;
  readonly request: string;
}

/** Works through one phase and returns its result. */
export type Phase = (work: PhaseWork) => Promise<string>;

async function frame({ transcript, folder, request }: PhaseWork): Promise<string> {
  await transcript.think('I read the request first. Then I state the goal and what is out of scope.');
  await transcript.say('Reading the request.');
  await folder.read('ISSUE.md');
  const title = titleOf(request);
  const goal = title === undefined ? 'The request is empty, so there is no goal' : `The goal is ${title}`;
  await transcript.say(`${goal}. In scope: one function and its test. Out of scope: everything else.`);
  return 'the goal and the scope are stated';
}

async function architect({ transcript, folder }: PhaseWork): Promise<string> {
  await transcript.think(
    'One small function is enough. I write down its rules and a test case before any code.',
  );
  await transcript.say('Writing a short spec.');
  await folder.read('ISSUE.md');
  await folder.write('SPEC.md', SPEC);
  return 'SPEC.md names one function, two rules and a test case';
}

async function build({ transcript, folder }: PhaseWork): Promise<string> {
  await folder.add('SPEC.md', SPEC);
  await transcript.think('The spec has a test case. I write the function and the test, and run it.');
  await transcript.say('Building from the spec.');
  await folder.read('SPEC.md');
  await folder.write('slug.mjs', MODULE);
  await folder.write('slug.test.mjs', TEST);
  if (await folder.test('slug.test.mjs')) return 'slug.mjs passes its test';
  await transcript.think('The comma and the exclamation mark are still there: only spaces are replaced.');
  await transcript.say(
    'The test fails: punctuation reaches the slug. Replacing each run of other characters.',
  );
  await folder.edit('slug.mjs', EDIT.before, EDIT.after);
  if (!(await folder.test('slug.test.mjs'))) throw new Error('the test of slug.mjs still fails');
  return 'slug.mjs passes its test after one fix';
}

async function evaluate({ transcript, folder }: PhaseWork): Promise<string> {
  await folder.add('change.diff', DIFF);
  await transcript.think('Does the change follow the spec, and does it change anything else?');
  await transcript.say('Reviewing the diff.');
  await folder.read('change.diff');
  await transcript.say(
    'slug.mjs, line 3: correct, each run of other characters becomes one dash. Comment: letters outside a-z are ' +
      'dropped, which the spec should state.',
  );
  return 'the change follows the spec; one comment, nothing blocks it';
}

async function release({ transcript, folder }: PhaseWork): Promise<string> {
  await folder.add('CHANGELOG.md', CHANGELOG);
  await transcript.think('Users need one line about the change. I add it to the changelog.');
  await transcript.say('Adding the change to the changelog.');
  await folder.read('CHANGELOG.md');
  await folder.edit(
    'CHANGELOG.md',
    '## Unreleased\n',
    '## Unreleased\n\n- Titles become slugs, see SPEC.md.\n',
  );
  return 'the changelog describes the change: a spec, a function, a test, one fix, one review comment';
}

async function answer({ transcript, folder }: PhaseWork): Promise<string> {
  await transcript.think('I read the request before I answer.');
  await transcript.say('Reading the request.');
  await folder.read('ISSUE.md');
  return 'the request is read and answered';
}

const PHASES: ReadonlyMap<string, Phase> = new Map(
  Object.entries({ frame, architect, build, evaluate, release }),
);

/** Unknown phases read the request and answer it. */
export function phaseOf(name: string): Phase {
  return PHASES.get(name) ?? answer;
}
