/** The change that the sample agent makes for every request: a function of one line, with a defect and its fix. */

export const SPEC = `# Slugs

slug(title) turns the title of an issue into a part of a URL.

- Letters become lower case.
- Each run of other characters becomes one dash. There is no dash at the ends.

Test: "Fix the login, please!" gives "fix-the-login-please".
`;

const DEFECT = `title.toLowerCase().replaceAll(' ', '-')`;
const FIX = `title.toLowerCase().match(/[a-z0-9]+/g)?.join('-') ?? ''`;

/** Arguments of the edit that fixes the module. */
export const EDIT: { readonly before: string; readonly after: string } = {
  before: `  return ${DEFECT};`,
  after: `  return ${FIX};`,
};

const LINES = [
  '/** A part of a URL for a title, see SPEC.md. */',
  'export function slug(title) {',
  EDIT.before,
  '}',
];

export const MODULE: string = `${LINES.join('\n')}\n`;

export const TEST: string = [
  "import assert from 'node:assert/strict';",
  "import { test } from 'node:test';",
  "import { slug } from './slug.mjs';",
  '',
  "test('punctuation does not reach the slug', () => {",
  "  assert.equal(slug('Fix the login, please!'), 'fix-the-login-please');",
  '});',
  '',
].join('\n');

/** The edit as a unified diff. */
export const DIFF: string = [
  '--- a/slug.mjs',
  '+++ b/slug.mjs',
  '@@ -1,4 +1,4 @@',
  ...LINES.flatMap((line) => (line === EDIT.before ? [`-${line}`, `+${EDIT.after}`] : [` ${line}`])),
  '',
].join('\n');

export const CHANGELOG = `# Changelog

## Unreleased

## 1.0.0

- First release.
`;
