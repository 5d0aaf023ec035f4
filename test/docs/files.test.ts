import { join } from 'node:path';
import { expect, test } from 'vitest';
import { OUTPUT_TYPES, STAGES, TASK_STATUSES } from '../../src/model/documents.ts';
import { COMPLETENESS_FLAGS } from '../../src/model/workflow.ts';
import { OWN_NAMES, TASK_FILES, WORKFLOW_FILES } from '../../src/store/layout.ts';
import { filesBelow, readFilesPage, undocumentedFields } from './documented-fields.ts';
import { ROOT } from './markdown.ts';

const { text, words } = readFilesPage();

/** Golden log directories of the tests of the store. */
const GOLDEN = join(ROOT, 'test', 'golden');

/** Fields that exist only in test records. */
const OF_TESTS = /: job_id$/;

test('docs/files.md documents every file name', () => {
  for (const name of [...Object.values(TASK_FILES), ...Object.values(OWN_NAMES)])
    expect.soft(text, name).toContain(name);
  for (const suffix of Object.values(WORKFLOW_FILES))
    expect.soft(text, suffix).toContain(`\`<workflow_id>${suffix}\``);
});

test('docs/files.md documents every status, output type, stage and flag', () => {
  const known = [...TASK_STATUSES, ...OUTPUT_TYPES, ...STAGES, ...COMPLETENESS_FLAGS];
  expect(known.filter((word) => !words.has(word))).toEqual([]);
});

test('docs/files.md documents every field of the golden directories', async () => {
  expect(filesBelow(GOLDEN).length).toBeGreaterThan(15);
  const missing = await undocumentedFields(GOLDEN);
  expect(missing.filter((line) => !OF_TESTS.test(line))).toEqual([]);
});
