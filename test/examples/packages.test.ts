import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..', '..');
const EXAMPLES = join(ROOT, 'examples');

interface Manifest {
  readonly version?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
}

const folders = readdirSync(EXAMPLES, { withFileTypes: true }).filter((entry) => entry.isDirectory());

test('every example has a page and is listed in examples/README.md', () => {
  const list = readFileSync(join(EXAMPLES, 'README.md'), 'utf8');
  expect(folders.length).toBeGreaterThan(3);
  for (const { name } of folders) {
    expect(list).toContain(`(${name}/README.md)`);
    expect(readdirSync(join(EXAMPLES, name))).toContain('README.md');
  }
});

test('the version ranges of examples include the installed versions', () => {
  const wrong: string[] = [];
  let count = 0;
  for (const { name } of folders) {
    for (const [dependency, range] of Object.entries(read(join(EXAMPLES, name)).dependencies ?? {})) {
      const at = dependency === 'tasktrail' ? ROOT : join(ROOT, 'node_modules', dependency);
      const { version = '' } = read(at);
      count += 1;
      if (!fitsCaret(version, range)) wrong.push(`${name}: ${dependency} ${range} is not ${version}`);
    }
  }
  expect(wrong).toEqual([]);
  expect(count).toBeGreaterThan(5);
});

function read(folder: string): Manifest {
  try {
    return JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as Manifest;
  } catch {
    // ENOENT: the example has no package.json.
    return {};
  }
}

/** Whether a version satisfies a caret range. The examples use no other ranges and no prerelease versions. */
function fitsCaret(version: string, range: string): boolean {
  const [have = [], want = []] = [version, range.replace(/^\^/, '')].map((text) =>
    text.split('.').map(Number),
  );
  const fixed = want[0] === 0 ? 2 : 1;
  if (!range.startsWith('^') || want.slice(0, fixed).some((part, index) => part !== have[index]))
    return false;
  for (const [index, part] of want.entries()) {
    const own = have[index] ?? 0;
    if (own !== part) return own > part;
  }
  return true;
}
