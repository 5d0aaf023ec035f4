import { execFile } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { checkVersions } from '../../src/doctor/versions.ts';
import { copyPackageWithout } from '../support/package-copy.ts';
import { linesOf, tempDir } from './subject.ts';

const run = promisify(execFile);

const ROOT = resolve(import.meta.dirname, '../..');

test('the versions of tasktrail, Node and OpenTelemetry are listed', () => {
  const { version } = JSON.parse(
    readFileSync(join(ROOT, 'node_modules/@opentelemetry/api/package.json'), 'utf8'),
  );
  const lines = linesOf(checkVersions({ version: '1.2.3', cwd: tempDir() }));
  expect(lines).toMatch(new RegExp(`^ok tasktrail: 1\\.2\\.3\nok Node: ${process.versions.node}\n`));
  expect(lines).toMatch(
    new RegExp(`\nok OpenTelemetry: @opentelemetry/api ${version}, .*sdk-trace-base \\d.*sdk-metrics \\d`),
  );
  expect(lines).not.toContain('this project has');
  expect(lines).toMatch(
    /\nok optional packages: express \d.*, bullmq \d.*, ioredis \d.*, @aws-sdk\/client-s3 \d/,
  );
});

test.each([
  ['18.20.1', 'problem'],
  ['20.18.9', 'problem'],
  ['20.19.0', 'ok'],
  ['22.0.0', 'ok'],
])('Node %s is %s, by the minimum in package.json', (node, level) => {
  const { engines } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  expect(engines.node).toBe('>=20.19');
  const found = checkVersions({ version: '1', cwd: tempDir(), node }).find(({ where }) => where === 'Node');
  expect(found).toMatchObject({
    level,
    advice: level === 'ok' ? null : 'install Node 20.19 or newer, and start with that',
  });
});

/** A package in the `node_modules` of a project. */
function install(cwd: string, name: string, version: string): void {
  const folder = join(cwd, 'node_modules', name);
  mkdirSync(join(folder, 'build'), { recursive: true });
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name, version, main: 'build/index.js' }));
  writeFileSync(join(folder, 'build', 'package.json'), '{"type":"commonjs"}');
  writeFileSync(join(folder, 'build', 'index.js'), '');
}

test.each([
  ['@opentelemetry/api', '1.10.0', 'warning'],
  ['@opentelemetry/sdk-node', '0.57.2', 'warning'],
  ['@opentelemetry/sdk-node', '0.200.0', 'ok'],
  ['@opentelemetry/sdk-node', '1.0.0', 'ok'],
])('%s %s in the project is reported with level %s', (name, version, level) => {
  const cwd = tempDir();
  install(cwd, name, version);
  const found = checkVersions({ version: '1', cwd }).find(({ where }) => where === 'OpenTelemetry');
  expect(found?.level).toBe(level);
  expect(found?.what).toContain(`this project has ${name} ${version}`);
});

test('an @opentelemetry/api of the same minor version in the project is not mentioned', () => {
  const cwd = tempDir();
  install(cwd, '@opentelemetry/api', '1.9.0');
  const found = checkVersions({ version: '1', cwd }).find(({ where }) => where === 'OpenTelemetry');
  expect(found).toMatchObject({ level: 'ok', what: expect.not.stringContaining('this project') });
});

test('an optional package that is not installed is named with what needs it', { tags: 'full' }, async () => {
  const directory = tempDir();
  await copyPackageWithout(directory, ['ioredis', '@aws-sdk/client-s3']);
  const module = pathToFileURL(join(directory, 'dist', 'doctor', 'versions.js')).href;
  const script = `import { checkVersions } from '${module}';
    console.log(JSON.stringify(checkVersions({ version: '1', cwd: process.cwd() })));`;
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', script], { cwd: directory });
  const lines = linesOf(JSON.parse(stdout));
  expect(lines).toMatch(
    /ok optional packages: express \d\S*, bullmq \d\S*, ioredis not installed \(for REDIS_URL\), @aws-sdk\/client-s3 not installed \(for TASK_LOGS_S3_BUCKET\)$/,
  );
});
