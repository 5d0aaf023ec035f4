import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { settingsPage } from '../../src/build/settings-page.ts';
import { SETTINGS } from '../../src/config/settings.ts';

const page = settingsPage();

test('docs/settings.md is up to date: npm run docs:settings', () => {
  const path = resolve(import.meta.dirname, '../../docs/settings.md');
  expect(readFileSync(path, 'utf8')).toBe(page);
});

test('every setting has a row with its type, its default and its sentence', () => {
  for (const [name, { kind, sentence }] of Object.entries(SETTINGS)) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\``));
    expect(row, name).toContain(`| ${kind.type} |`);
    expect(row, name).toContain(sentence);
  }
  expect(page).toMatch(/^\| `PORT`, `--port` \| .* \| `8000` \| /m);
  expect(page).toMatch(/^\| `OTEL_METRICS_EXPORTER` \| .* \| `otlp` \| /m);
});

test('every key of the configuration file has a row, including keys of list items and records', () => {
  for (const [key, type] of [
    ['trigger', 'text'],
    ['agents.<name>.command', 'list of texts, required'],
    ['commands.<name>.phases[].steps', 'list of texts, required'],
    ['webhooks.<name>.secret', 'text or list of texts, required'],
    ['webhooks.<name>.encoding', '`hex`, `base64`'],
    ['webhooks.<name>.body_bytes_max', 'whole number'],
    ['types.workflow.cloud_storage.force_path_style', '`true` or `false`'],
  ])
    expect(page).toMatch(new RegExp(`^\\| \`${escaped(key)}\` \\| ${escaped(type)} \\| \\S`, 'm'));
});

test('every row of a table has the same number of cells', () => {
  const widths = page
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.replaceAll('\\|', '').split('|').length - 2);
  // The tables of settings, and of files of a checkout.
  expect(new Set(widths)).toEqual(new Set([4, 3, 5]));
});

function escaped(text = ''): string {
  return text.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&');
}
