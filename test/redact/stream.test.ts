import { generateKeyPairSync } from 'node:crypto';
import { expect, test } from 'vitest';
import { redact } from '../../src/redact/redact.ts';
import { createPieceRedactor, createStreamRedactor } from '../../src/redact/stream.ts';

const A = (count: number): string => 'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZ'.repeat(8).slice(0, count);
const KEY = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
  publicKeyEncoding: { type: 'spki', format: 'pem' },
}).privateKey;
const KEY_LINES = KEY.trimEnd().split('\n').slice(1, -1);
const TEXT = `before\n${KEY}between ghp_${A(36)} words\npassword=hunter2x\nAuthorization: Basic dXNlcjpwYXNzd29yZA==\nafter\n`;

function streamed(pieces: readonly string[]): string {
  const redactor = createStreamRedactor();
  return pieces.map((piece) => redactor.push(piece)).join('') + redactor.flush();
}

function expectNoSecret(text: string): void {
  for (const line of KEY_LINES) expect(text).not.toContain(line.slice(0, 16));
  expect(text).not.toContain(A(12));
  expect(text).not.toContain('hunter2x');
  expect(text).not.toContain('dXNlcjpw');
  for (const word of ['before\n', 'between ', ' words\n', '\nafter\n']) expect(text).toContain(word);
}

test('no secret survives a border of two chunks at any offset', () => {
  for (let at = 0; at <= TEXT.length; at += 1) expectNoSecret(streamed([TEXT.slice(0, at), TEXT.slice(at)]));
});

test.each([1, 2, 3, 7, 64, 1000])('no secret survives chunks of %i characters', (size) => {
  const pieces = Array.from({ length: Math.ceil(TEXT.length / size) }, (_, at) =>
    TEXT.slice(at * size, (at + 1) * size),
  );
  expectNoSecret(streamed(pieces));
});

test('a complete line is passed on at once, and the lines of a key too', () => {
  const redactor = createStreamRedactor();
  expect(redactor.push('one\ntw')).toBe('one\n');
  expect(redactor.push('o\n-----BEGIN PRIVATE KEY-----\n')).toBe('two\n[redacted:private-key]\n');
  expect(redactor.push(`${KEY_LINES[0]}\n`)).toBe('[redacted:private-key]\n');
  expect(redactor.push('three\nfour')).toBe('three\n');
  expect(redactor.flush()).toBe('four');
  expect(redactor.flush()).toBe('');
});

test('a line without an end is held back up to a bound', () => {
  const redactor = createStreamRedactor();
  let passed = '';
  for (let count = 0; count < 100; count += 1) passed += redactor.push('words and more words '.repeat(500));
  expect(passed.length).toBeGreaterThan(700_000);
  expect(passed + redactor.flush()).toBe('words and more words '.repeat(50_000));
});

test('a key line by line is masked, each line for itself, and the text around it stays', () => {
  const redactor = createPieceRedactor();
  const lines = TEXT.split(/(?<=\n)/);
  const masked = lines.map((line) => redactor.mask(line));
  expectNoSecret(masked.join(''));
  expect(masked).toHaveLength(lines.length);
  expect(masked.join('').split('\n')).toHaveLength(TEXT.split('\n').length);
});

test.each([
  ['indented', (line: string) => `    ${line}`],
  ['quoted', (line: string) => `> ${line}`],
  ['numbered', (line: string) => `  12\t${line}`],
  ['in a difference', (line: string) => `+${line}`],
  ['after a time', (line: string) => `2026-01-02T03:04:05Z INFO ${line}`],
  ['coloured', (line: string) => `\u001b[32m${line}\u001b[0m`],
  ['with CRLF', (line: string) => `${line}\r`],
])('a key is masked line by line: %s', (_how, put) => {
  const redactor = createPieceRedactor();
  const text = KEY.trimEnd()
    .split('\n')
    .map((line) => redactor.mask(`${put(line)}\n`))
    .join('');
  for (const line of KEY_LINES) expect(text).not.toContain(line.slice(0, 16));
  expect(redactor.mask('and then text\n')).toBe('and then text\n');
});

test('a key that was cut ends with the first line of text', () => {
  const redactor = createPieceRedactor();
  const lines = [
    '-----BEGIN RSA PRIVATE KEY-----\n',
    'Proc-Type: 4,ENCRYPTED\n',
    '\n',
    `${A(64)}\n`,
    'it goes on with text\n',
    `${A(64)}\n`,
  ];
  const masked = lines.map((line) => redactor.mask(line));
  expect(masked.slice(0, 4).join('')).not.toMatch(/ENCRYPTED|aB3d/);
  expect(masked.slice(4)).toEqual(lines.slice(4));
});

test('the rest of a token in the next piece is masked, at every offset', () => {
  for (const secret of [
    `ghp_${A(36)}`,
    `glpat-${A(20)}`,
    `xoxb-123456789012-${A(24)}`,
    `sk-ant-api03-${A(90)}`,
    `npm_${A(36)}`,
  ]) {
    for (let at = 1; at < secret.length; at += 1) {
      for (const border of ['', '\n']) {
        const redactor = createPieceRedactor();
        const text =
          redactor.mask(`x ${secret.slice(0, at)}${border}`) + redactor.mask(`${secret.slice(at)} y\n`);
        // What is passed on at once may begin a secret; more than its first characters never is.
        expect(text.replace('\n', ''), `${secret} ${at}`).not.toContain(secret.slice(0, 26));
        expect(text, `${secret} ${at}`).not.toContain(secret.slice(-10));
        expect(text).toMatch(/^x .* y\n$/s);
      }
    }
  }
});

test('text without a secret stays as it is, in pieces of any size', () => {
  const text =
    'const a = 1;\n  return token.value;\n\n-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\npath/to/file\nv1.2.3\n';
  for (const size of [1, 5, 17, 1000]) {
    const redactor = createPieceRedactor();
    const pieces = Array.from({ length: Math.ceil(text.length / size) }, (_, at) =>
      text.slice(at * size, (at + 1) * size),
    );
    expect(pieces.map((piece) => redactor.mask(piece)).join('')).toBe(text);
  }
});

test('a line that ends in a token takes nothing away from the token on the next line', () => {
  const letters = 'mFgZjUd52AKFLfDJFSoPCsVPx4iHSUxl3NE7dDjVmhcaDcqkLfD3L3';
  const lengths = {
    sk_live_: 24,
    'glpat-': 20,
    lin_api_: 40,
    ntn_: 46,
    ghp_: 36,
    hf_: 34,
    dckr_pat_: 27,
    gsk_: 52,
  };
  const lines = Object.entries(lengths).map(([hint, length]) => `${hint}${letters.slice(0, length)}\n`);
  for (const first of lines) {
    for (const second of lines) {
      const pieces = createPieceRedactor();
      const masked = pieces.mask(first) + pieces.mask(second);
      expect(masked, first + second).not.toContain(letters.slice(0, 20));
      expect(redact(first + second), first + second).not.toContain(letters.slice(0, 20));
    }
  }
});

test('a token before the address of a hook or the file of a key leaves them whole', () => {
  const letters = 'mFgZjUd52AKFLfDJFSoPCsVPx4iHSUxl3NE7dDjV';
  const body = '7PmQfKUPl9b8wKCcSnvELcMr6Gp5GtMDgQJPWJLL/JqEt2jHrcj5QI187DRa3+IU';
  for (const token of [
    `ghp_${letters.slice(0, 36)}`,
    `whsec_${letters.slice(0, 32)}`,
    `jdbc:mysql://h/db?password=${letters}`,
  ]) {
    const pieces = createPieceRedactor();
    const lines = [token, 'PuTTY-User-Key-File-3: ssh-rsa', 'Private-Lines: 1', body, 'end'];
    expect(lines.map((line) => pieces.mask(`${line}\n`)).join(''), token).not.toContain(body);
  }
});

test('a line in pieces of one character comes out as it would at once', () => {
  const text = `${'word '.repeat(2_000)}ghp_${A(36)}\nnext ghp_${A(36)}`;
  const one = createStreamRedactor();
  const all = createStreamRedactor();
  expect([...text].map((char) => one.push(char)).join('') + one.flush()).toBe(all.push(text) + all.flush());
});
