import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { examine, type FiledFinding } from '../../src/doctor/examination.ts';
import { maskSecrets } from '../../src/redact/redact.ts';
import { tempDir } from './subject.ts';

interface Given {
  readonly env?: Record<string, string>;
  readonly flags?: Record<string, string>;
  readonly configFile?: string;
}

async function look(
  cwd: string,
  { env = {}, flags = {}, configFile }: Given,
): Promise<readonly FiledFinding[]> {
  onTestFinished(() => maskSecrets([]));
  const ports = { PORT: '0', TASK_LOGS_OTLP_PORT: '0', TASK_LOGS_DIR: join(cwd, 'logs') };
  return examine({ env: { ...ports, ...env }, flags, cwd, configFile, version: '1.2.3' });
}

function areasOf(findings: readonly FiledFinding[]): readonly string[] {
  return [...new Set(findings.map(({ area }) => area))];
}

const ALL = [
  'versions',
  'settings',
  'directory',
  'ports',
  'endpoint',
  'redis',
  's3',
  'webhooks',
  'notify',
  'agents',
];

test('every area is checked in order, and nothing is written', async () => {
  const cwd = tempDir();
  expect(areasOf(await look(cwd, {}))).toEqual(ALL);
  expect(readdirSync(cwd)).toEqual([]);
});

test('a check that fails is a finding, and the others continue', async () => {
  const findings = await look(tempDir(), { flags: { TASK_LOGS_DIR: '/tmp/a\0b' } });
  expect(areasOf(findings)).toEqual(ALL);
  const failed = findings.filter(({ what }) => what.startsWith('the check failed: '));
  expect(failed.length).toBeGreaterThan(0);
  for (const finding of failed)
    expect(finding).toMatchObject({
      level: 'problem',
      area: expect.stringMatching(/^(?:settings|directory)$/),
    });
});

test('invalid settings and a missing file do not stop the other checks', async () => {
  const cwd = tempDir();
  const findings = await look(cwd, { env: { TASK_LOGS_ATTEMPTS: 'x' }, configFile: 'missing.json' });
  expect(areasOf(findings)).toEqual(ALL);
  const places = findings.filter(({ level }) => level === 'problem').map(({ where }) => where);
  expect(places.sort()).toEqual([join(cwd, 'missing.json'), 'TASK_LOGS_ATTEMPTS'].sort());
  expect(existsSync(join(cwd, 'logs'))).toBe(false);
});

test('an invalid setting is not also reported as not set', async () => {
  const findings = await look(tempDir(), { env: { TASK_LOGS_S3_BUCKET: 'b', TASK_LOGS_DIR: '' } });
  const found = findings.filter(({ where }) => where === 'TASK_LOGS_S3_BUCKET');
  expect(found.map(({ level }) => level)).toEqual(['problem']);
  expect(findings.find(({ where }) => where === 'settings')?.what).not.toContain('nothing is set');
  const invalid = await examine({
    ...{ env: { PORT: 'abc' }, flags: {}, cwd: tempDir(), configFile: undefined, version: '1.2.3' },
  });
  expect(invalid.find(({ where }) => where === 'settings')?.what).toBe('nothing that is set is valid');
});

test('a secret is masked in every field', async () => {
  const env = {
    TASK_LOGS_API_TOKEN: 'secret-of-this-test',
    TASK_LOGS_AGENT_COMMAND: '/no/such/secret-of-this-test',
  };
  const text = JSON.stringify(await look(tempDir(), { env }));
  expect(text).toContain('/no/such/[redacted:own-secret]');
  expect(text).not.toContain('secret-of-this-test');
});
