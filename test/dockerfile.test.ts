import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

const ROOT = resolve(import.meta.dirname, '..');
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8');

/** An instruction with its continuation lines joined: `COPY`, `src ./src`. */
interface Instruction {
  readonly name: string;
  readonly rest: string;
}

const instructions: readonly Instruction[] = read('Dockerfile')
  .split('\n')
  .filter((line) => !line.trimStart().startsWith('#'))
  .join('\n')
  .replaceAll(/\\\n\s*/g, '')
  .split('\n')
  .filter((line) => line.trim() !== '')
  .map((line) => {
    const [, name = '', rest = ''] = /^(\S+)\s+(.*)$/.exec(line) ?? [];
    return { name, rest };
  });
const all = (name: string): readonly string[] =>
  instructions.filter((one) => one.name === name).map(({ rest }) => rest);
/** The last stage, which becomes the image. */
const last = instructions.slice(instructions.findLastIndex(({ name }) => name === 'FROM'));
const lastOf = (name: string): string => last.findLast((one) => one.name === name)?.rest ?? '';

test('the base image has a full version that package.json allows', () => {
  const stages = new Set(all('FROM').flatMap((from) => / AS (\w+)$/.exec(from)?.[1] ?? []));
  const images = all('FROM').flatMap((from) => from.split(' ')[0] ?? []);
  const foreign = images.filter((image) => !stages.has(image));
  expect(foreign).toHaveLength(1);
  const [, major = '', minor = ''] =
    /^node:(\d+)\.(\d+)\.\d+-bookworm-slim@sha256:[0-9a-f]{64}$/.exec(foreign[0] ?? '') ?? [];
  const [, least = '', leastMinor = ''] = /">=(\d+)\.(\d+)"/.exec(read('package.json')) ?? [];
  expect(Number(major) * 1_000 + Number(minor)).toBeGreaterThanOrEqual(
    Number(least) * 1_000 + Number(leastMinor),
  );
  // Even major versions get long-term support.
  expect(Number(major) % 2).toBe(0);
});

test('.dockerignore admits exactly the files that the Dockerfile copies, and they exist', () => {
  const copied = all('COPY')
    .filter((rest) => !rest.startsWith('--from='))
    .flatMap((rest) => rest.split(/\s+/).slice(0, -1));
  expect(copied.filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
  const rules = read('.dockerignore')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'));
  expect(rules[0]).toBe('*');
  const admitted = rules.slice(1).map((line) => line.replace(/^!/, ''));
  expect(admitted.sort()).toEqual([...new Set(copied)].sort());
  expect(rules.slice(1).every((line) => line.startsWith('!'))).toBe(true);
});

test('an earlier stage creates the files that the last stage copies', () => {
  const from = all('COPY').filter((rest) => rest.startsWith('--from='));
  expect(from).toEqual([
    '--from=dependencies /app/node_modules ./node_modules',
    '--from=build /app/dist ./dist',
  ]);
  const runs = all('RUN').join('\n');
  expect(runs).toMatch(/^npm install --omit=dev --ignore-scripts\b/m);
  expect(runs).toMatch(/^npm run build\b/m);
});

test('it runs as an unprivileged user, who can write the log directory but not the program', () => {
  expect(lastOf('USER')).toBe('node');
  const afterUser = last.slice(last.findIndex(({ name }) => name === 'USER'));
  expect(afterUser.map(({ name }) => name)).not.toContain('RUN');
  const volume = lastOf('VOLUME');
  expect(volume).toBe('/data/logs/tasks');
  const owned = / chown node:node (.*)$/.exec(lastOf('RUN'))?.[1]?.split(' ');
  expect(owned).toContain(volume);
  expect(owned).toContain(lastOf('WORKDIR'));
  expect(owned?.some((path) => path.startsWith('/app'))).toBe(false);
});

test('it starts the service without a shell in between, reachable from outside the container', () => {
  expect(JSON.parse(lastOf('ENTRYPOINT'))).toEqual(['node', '/app/dist/cli/main.js']);
  expect(JSON.parse(lastOf('CMD'))).toEqual(['start']);
  expect(lastOf('ENV').split(' ')).toEqual(['NODE_ENV=production', 'HOST=0.0.0.0']);
  expect(existsSync(join(ROOT, 'src/cli/main.ts'))).toBe(true);
  expect(lastOf('EXPOSE')).toBe('8000 4318');
});

test('the health check reports the status of /healthz', { tags: 'full' }, async () => {
  const answers = new Map([
    [200, 0],
    [503, 1],
  ]);
  for (const [status, code] of answers) {
    const port = await listen(
      createServer((req, res) => {
        res.writeHead(req.url === '/healthz' ? status : 404).end();
      }),
    );
    expect(await health(port)).toBe(code);
  }
});

test('the health check fails when no process listens', async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((done) => server.close(done));
  expect(await health(port)).toBe(1);
});

/** Runs the image's health check against a port of this machine and returns its exit code. */
function health(port: number): Promise<number | null> {
  const [, words = '[]'] = / CMD (\[.*\])$/.exec(lastOf('HEALTHCHECK')) ?? [];
  const [program = '', ...args]: string[] = JSON.parse(words);
  const child = spawn(program, args, {
    env: { PATH: process.env.PATH, PORT: String(port) },
    stdio: 'ignore',
  });
  return new Promise((done, fail) => child.once('error', fail).once('exit', done));
}

async function listen(server: Server): Promise<number> {
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  onTestFinished(() => void server.close());
  const address = server.address();
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}

test('the optional packages are in the image, in the versions of the lockfile', () => {
  const dir = mkdtempSync(join(tmpdir(), 'tasktrail-image-'));
  onTestFinished(() => rmSync(dir, { recursive: true }));
  const before = JSON.parse(read('package.json'));
  writeFileSync(join(dir, 'package.json'), JSON.stringify(before));
  const script = all('RUN').find((rest) => rest.startsWith('node -e'));
  expect(spawnSync('sh', ['-c', script ?? 'false'], { cwd: dir }).status).toBe(0);
  const after = JSON.parse(readFileSync(join(dir, 'package.json'), 'utf8'));
  const optional = ['@aws-sdk/client-s3', 'bullmq', 'express', 'ioredis'];
  expect(optional.map((name) => after.dependencies[name])).toEqual(
    optional.map((name) => before.devDependencies[name]),
  );
  expect(optional.filter((name) => name in after.devDependencies)).toEqual([]);
});
