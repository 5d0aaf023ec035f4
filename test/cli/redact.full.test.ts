import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { MAIN } from '../support/built.ts';
import { type Run, runCommand, tempDir } from './run-command.ts';

const TOKEN = `ghp_${'aB3dE5gH7jK9mN1pQ2rS4tU6vW8xY0zZaB3d'}`;

async function redact(
  input: string,
  more: { config?: object; args?: string[]; env?: object } = {},
): Promise<Run> {
  const cwd = await tempDir();
  if (more.config !== undefined)
    writeFileSync(join(cwd, 'tasktrail.config.json'), JSON.stringify(more.config));
  return runCommand(['redact', ...(more.args ?? [])], { cwd, input, env: { ...more.env } });
}

test('text is printed with its secrets masked by kind, and the kinds are counted', async () => {
  const { code, stdout, stderr } = await redact(`one ${TOKEN}\ntwo ${TOKEN}\npassword=hunter2-x9\nplain\n`);
  expect(code).toBe(0);
  expect(stdout).toBe(
    'one [redacted:github-token]\ntwo [redacted:github-token]\npassword=[redacted:password]\nplain\n',
  );
  expect(stderr).toBe('tasktrail: 3 masked\n       2  github-token\n       1  password\n');
});

test('text without a secret stays as it is, byte for byte', async () => {
  const text = 'no secret: \u00e9 \ud83d\ude00\r\n\n  a line without an end';
  expect(await redact(text)).toMatchObject({
    code: 0,
    stdout: text,
    stderr: 'tasktrail: nothing was masked\n',
  });
  expect(await redact('')).toMatchObject({ code: 0, stdout: '' });
});

test('the counts can be JSON', async () => {
  const { stderr } = await redact(`${TOKEN}\n`, { args: ['--json'] });
  expect(JSON.parse(stderr)).toEqual({ masked: { 'github-token': 1 } });
});

test('rules of the configuration and secrets of the service count too', async () => {
  const secret = 'a-secret-of-this-service-0815';
  const { stdout } = await redact(`ticket ACME-1234-5678 and ${secret}\n`, {
    config: { redact: { rules: [{ name: 'acme', pattern: 'ACME-\\d{4}-\\d{4}' }] } },
    env: { GITHUB_WEBHOOK_SECRET: secret },
  });
  expect(stdout).toMatch(/^ticket \[redacted:acme\] and \[redacted[^\]]*\]\n$/);
});

test('a secret that comes in pieces is masked', async () => {
  const cwd = await tempDir();
  const child = spawn(process.execPath, [MAIN, 'redact'], {
    cwd,
    env: { PATH: process.env.PATH, HOME: cwd },
  });
  let stdout = '';
  child.stdout.on('data', (piece: Buffer) => {
    stdout += piece;
  });
  const ended = new Promise((resolve) => child.once('close', resolve));
  for (const piece of [`token ${TOKEN.slice(0, 9)}`, TOKEN.slice(9, 20), `${TOKEN.slice(20)}\n`]) {
    child.stdin.write(piece);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  child.stdin.end();
  expect(await ended).toBe(0);
  expect(stdout).toBe('token [redacted:github-token]\n');
});
