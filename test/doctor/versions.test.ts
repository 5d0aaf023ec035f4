import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { expect, test } from 'vitest';
import { lookAtVersions } from '../../src/doctor/versions.ts';
import { linesOf, tempDir } from './subject.ts';

const ROOT = resolve(import.meta.dirname, '../..');

test('versions are those that are in use', () => {
  const { version } = JSON.parse(
    readFileSync(join(ROOT, 'node_modules/@opentelemetry/api/package.json'), 'utf8'),
  );
  const lines = linesOf(lookAtVersions({ version: '1.2.3', cwd: tempDir() }));
  expect(lines).toMatch(new RegExp(`^ok tasktrail: 1\\.2\\.3\nok Node: ${process.versions.node}\n`));
  expect(lines).toMatch(
    new RegExp(`\nok OpenTelemetry: @opentelemetry/api ${version}, .*sdk-node \\d.*sdk-trace-base \\d`),
  );
});

test.each([
  ['18.20.1', 'problem'],
  ['20.18.9', 'problem'],
  ['20.19.0', 'ok'],
  ['22.0.0', 'ok'],
])('Node %s is %s, by what package.json asks for', (node, level) => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(engines.node).toBe('>=20.19');
  const found = lookAtVersions({ version: '1', cwd: tempDir(), node }).find(({ where }) => where === 'Node');
  expect(found).toMatchObject({
    level,
    advice: level === 'ok' ? null : 'install Node 20.19 or newer, and start with that',
  });
});

test.each([
  ['1.10.0', 'warning'],
  ['1.9.0', 'ok'],
])('an @opentelemetry/api %s of the project`s own is %s', (version, level) => {
  const cwd = tempDir();
  const folder = join(cwd, 'node_modules', '@opentelemetry', 'api');
  mkdirSync(join(folder, 'build'), { recursive: true });
  const main = { name: '@opentelemetry/api', version, main: 'build/index.js' };
  writeFileSync(join(folder, 'package.json'), JSON.stringify(main));
  writeFileSync(join(folder, 'build', 'package.json'), '{"type":"commonjs"}');
  writeFileSync(join(folder, 'build', 'index.js'), '');
  const found = lookAtVersions({ version: '1', cwd }).find(({ where }) => where === 'OpenTelemetry');
  expect(found?.level).toBe(level);
  if (level === 'warning')
    expect(found?.what).toContain(`this project has @opentelemetry/api ${version} of its own`);
});
