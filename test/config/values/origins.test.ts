import { expect, test } from 'vitest';
import { ORIGINS } from '../../../src/config/values/origins.ts';

test.each([
  ['https://app.example', ['https://app.example']],
  [' https://app.example ,http://localhost:3000,', ['https://app.example', 'http://localhost:3000']],
  ['http://[::1]:3000', ['http://[::1]:3000']],
  ['chrome-extension://abcdefgh', ['chrome-extension://abcdefgh']],
  ['', []],
])('%j names origins', (text, origins) => {
  expect(ORIGINS.schema.parse(text)).toEqual(origins);
});

test.each([
  '*',
  'null',
  'https://*.example',
  'https://app.example/',
  'https://app.example/path',
  'https://APP.example',
  'https://app.example:443',
  'app.example',
  'https://user@app.example',
  'https://app.example?x',
  'javascript:alert(1)',
])('%j is refused: browsers never send it as an origin, or any page could send it', (text) => {
  const { error } = ORIGINS.schema.safeParse(text);
  expect(error?.issues[0]?.message).toContain(`${JSON.stringify(text)} is not an origin`);
});
