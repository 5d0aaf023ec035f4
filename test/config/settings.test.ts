import { expect, test } from 'vitest';
import { DIALECT_NAMES } from '../../src/agent/dialects/dialects.ts';
import { agentSchema } from '../../src/config/file/agent-schema.ts';
import { fileSchema } from '../../src/config/file/file-schema.ts';
import { SETTING_NAMES } from '../../src/config/read-settings.ts';
import { SETTINGS, type SettingName } from '../../src/config/settings.ts';
import { projectDir } from '../support/project-dir.ts';

test('the field of each setting exists in the configuration', () => {
  const { load } = projectDir();
  const env = { TASK_LOGS_S3_BUCKET: 'bucket', OTEL_EXPORTER_OTLP_ENDPOINT: 'http://h:4318' };
  const config: object = load({ env });
  const missing = SETTING_NAMES.filter((name) => {
    const { field } = SETTINGS[name];
    let value: unknown = config;
    for (const key of field?.split('.') ?? []) {
      if (!Object.hasOwn(Object(value), key)) return true;
      value = Reflect.get(Object(value), key);
    }
    return false;
  });
  expect(missing).toEqual([]);
});

test('a default in the table is the value of the configuration without settings', () => {
  const { load } = projectDir();
  const config: object = load();
  for (const name of SETTING_NAMES) {
    const { field, default: fallback } = SETTINGS[name];
    if (field === undefined || field.includes('.') || fallback === undefined) continue;
    expect(Reflect.get(config, field), name).toEqual(fallback);
  }
});

test('each row has a sentence and a type, and names only existing settings and keys', () => {
  for (const name of SETTING_NAMES) {
    const { otherwise = [], sentence, kind, fileKey } = SETTINGS[name];
    for (const other of otherwise) expect(SETTING_NAMES, name).toContain(other);
    expect(sentence, name).toMatch(/^[A-Z`].*\.$/);
    expect(kind.type, name).not.toBe('');
    for (const [, mentioned = ''] of sentence.matchAll(/`([A-Z]+_[A-Z_]+)`/g))
      expect(SETTING_NAMES, name).toContain(mentioned);
    if (fileKey !== undefined) expect(fileKeys(fileSchema.shape)).toContain(fileKey);
  }
});

test('exactly the secrets are marked as secret', () => {
  const secrets = SETTING_NAMES.filter((name) => SETTINGS[name].isSecret === true);
  expect(secrets.sort()).toEqual<SettingName[]>([
    'GITHUB_TOKEN',
    'GITHUB_WEBHOOK_SECRET',
    'JIRA_WEBHOOK_SECRET',
    'OTEL_EXPORTER_OTLP_HEADERS',
    'SLACK_SIGNING_SECRET',
    'TASK_LOGS_API_TOKEN',
    'TASK_LOGS_KEY',
  ]);
});

test('the documentation names all dialects', () => {
  for (const text of [SETTINGS.TASK_LOGS_AGENT_DIALECT.sentence, agentSchema.shape.dialect.description ?? ''])
    for (const dialect of DIALECT_NAMES) expect(text).toContain(`\`${dialect}\``);
});

/** The paths of all keys of nested objects, without keys of records. */
function fileKeys(shape: object): string[] {
  return Object.entries(shape).flatMap(([key, schema]) => {
    const inner = Reflect.get(Object(schema), 'unwrap') === undefined ? schema : schema.unwrap();
    const below = Reflect.get(Object(inner), 'shape');
    return [key, ...(below === undefined ? [] : fileKeys(below).map((child) => `${key}.${child}`))];
  });
}
