import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { GRAFANA } from '../support/dashboard-queries.ts';

const ROOT = resolve(import.meta.dirname, '..', '..');
const FOLDER = join(GRAFANA, 'dashboards');
const files = readdirSync(FOLDER).filter((name) => name.endsWith('.json'));

test("the dashboards match Grafana's types", async () => {
  const texts = files.map((name) => readFileSync(join(FOLDER, name), 'utf8'));
  expect(texts).toHaveLength(4);
  expect(await mistakesIn(texts)).toEqual(texts.map(() => ''));
});

test('an unknown field or value is detected at any depth', { tags: 'full' }, async () => {
  const text = readFileSync(join(FOLDER, 'tasks.json'), 'utf8');
  const wrong: readonly (readonly [string, string])[] = [
    ['"schemaVersion": 42', '"schemaversion": 42'],
    ['"refresh": "30s"', '"refresh": 30'],
    ['"includeAll": true', '"includeall": true'],
    ['"type": "stat"', '"type": "stats"'],
    ['"graphMode": "none"', '"graphMode": "never"'],
    ['"reduceOptions"', '"reduce"'],
    ['"drawStyle": "bars"', '"drawStyle": "bar"'],
    ['"fillOpacity"', '"fillopacity"'],
    ['"stacking"', '"stacked"'],
    ['"expr"', '"query"'],
    ['"cellHeight": "sm"', '"cellHeight": "small"'],
    ['"unit"', '"units"'],
    ['"w": 4', '"width": 4'],
  ];
  const broken = wrong.map(([from, to]) => text.replace(from, to));
  expect(broken.filter((one) => one === text)).toEqual([]);
  const mistakes = await mistakesIn(broken);
  expect(wrong.filter((_, index) => mistakes[index] === '')).toEqual([]);
});

/** The compiler's errors for each text as a literal of Grafana's types; an empty string if there are none. */
async function mistakesIn(texts: readonly string[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'tasktrail-dashboards-'));
  try {
    const types = join(import.meta.dirname, 'dashboard-types.ts');
    const names = texts.map((_, index) => `dashboard-${index}.ts`);
    for (const [index, name] of names.entries()) {
      const head = `import type { DashboardFile } from ${JSON.stringify(types)};\n`;
      await writeFile(join(folder, name), `${head}export const it: DashboardFile = ${texts[index]};\n`);
    }
    const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2023', '--skipLibCheck'];
    options.push('--types', '', '--ignoreConfig', '--allowImportingTsExtensions', '--pretty', 'false');
    const { stdout } = await promisify(execFile)(
      join(ROOT, 'node_modules', '.bin', 'tsc'),
      [...options, ...names],
      { cwd: folder, maxBuffer: 16 * 2 ** 20 },
    ).catch((error: { stdout: string }) => error);
    const lines = stdout.split('\n').filter((line) => line !== '');
    const elsewhere = lines.filter((line) => !/^(dashboard-\d+\.ts|\s)/.test(line));
    if (elsewhere.length > 0) throw new Error(elsewhere.join('\n'));
    return names.map((name) => lines.filter((line) => line.startsWith(`${name}(`)).join('\n'));
  } finally {
    await rm(folder, { recursive: true });
  }
}
