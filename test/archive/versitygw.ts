import { type ChildProcess, execFile, spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { CreateBucketCommand, GetObjectCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { vi } from 'vitest';

const VERSION = 'v1.7.0';
const CACHE = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'tasktrail-test');

export const ACCESS_KEY = 'tasktrail-test-key';
export const SECRET_KEY = 'tasktrail-test-secret';

/** Where the tools of these tests are, or why they cannot be had: then the tests that need them are skipped. */
export type Tool = { readonly path: string } | { readonly missing: string };

/** The server: from the cache, else built with Go, which takes a minute and happens once. */
export function findVersitygw(): Tool {
  const path = join(CACHE, 'versitygw');
  if (existsSync(path)) return { path };
  mkdirSync(CACHE, { recursive: true });
  const bin = mkdtempSync(join(CACHE, 'build-'));
  try {
    const module = `github.com/versity/versitygw/cmd/versitygw@${VERSION}`;
    const env = { ...process.env, GOBIN: bin };
    const built = spawnSync('go', ['install', module], { env, encoding: 'utf8', timeout: 600_000 });
    if (built.error !== undefined) return missing(`versitygw cannot be built: ${built.error.message}`);
    if (built.status !== 0) return missing(`versitygw cannot be built: ${built.stderr.slice(-300)}`);
    // Whole or not at all, also for another run that looks for it now.
    renameSync(join(bin, 'versitygw'), path);
    return { path };
  } finally {
    rmSync(bin, { recursive: true, force: true });
  }
}

/** A python3 that can import boto3: the system's, else one of its own in the cache. */
export function findBoto3(): Tool {
  const venv = join(CACHE, 'boto3');
  const own = join(venv, 'bin', 'python3');
  for (const path of ['python3', own]) if (hasBoto3(path)) return { path };
  mkdirSync(CACHE, { recursive: true });
  const made = spawnSync('python3', ['-m', 'venv', '--clear', venv], { encoding: 'utf8' });
  if (made.error !== undefined) return missing(`there is no python3: ${made.error.message}`);
  const installed = spawnSync(own, ['-m', 'pip', 'install', '--quiet', 'boto3'], {
    encoding: 'utf8',
    timeout: 300_000,
  });
  if (hasBoto3(own)) return { path: own };
  return missing(`boto3 cannot be installed: ${installed.stderr?.slice(-300) || made.stderr}`);
}

function hasBoto3(python: string): boolean {
  return spawnSync(python, ['-c', 'import boto3']).status === 0;
}

/** Where nobody looks at what was skipped, a test that cannot run is a failure. */
function missing(reason: string): Tool {
  if (process.env.CI === 'true') throw new Error(reason);
  process.stderr.write(`skipped: ${reason}\n`);
  return { missing: reason };
}

/** An S3 server with its data in a directory of its own. */
export interface S3Server {
  readonly endpoint: string;
  readonly client: S3Client;
  makeBucket(name: string): Promise<void>;
  put(bucket: string, key: string, text: string): Promise<string>;
  /** Undefined when it is not there. */
  get(bucket: string, key: string): Promise<string | undefined>;
  stop(): Promise<void>;
}

export async function startVersitygw(path: string): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-s3-'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const env = { ...process.env, ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY };
  const child = spawn(path, ['--port', `127.0.0.1:${port}`, 'posix', dir], { env, stdio: 'ignore' });
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  await answers(endpoint, child);
  return {
    endpoint,
    client,
    makeBucket: async (name) => {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    },
    put: async (bucket, key, text) => {
      const body = { Body: text, ContentLength: Buffer.byteLength(text) };
      const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, ...body }));
      return ETag ?? '';
    },
    get: async (bucket, key) => {
      try {
        const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
        return await Body?.transformToString();
      } catch (error) {
        if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
        throw error;
      }
    },
    stop: async () => {
      client.destroy();
      const isOver = new Promise((resolve) => child.once('exit', resolve));
      if (child.exitCode === null && child.kill()) await isOver;
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** Runs a Python script, and gives what it prints. */
export async function runPython(
  python: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { stdout } = await promisify(execFile)(python, args, { env: { ...process.env, ...env } });
  return stdout;
}

async function answers(endpoint: string, child: ChildProcess): Promise<void> {
  await vi.waitFor(
    async () => {
      if (child.exitCode !== null) throw new Error(`versitygw ended with ${child.exitCode}`);
      await fetch(endpoint);
    },
    { timeout: 20_000, interval: 50 },
  );
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  if (address === null || typeof address === 'string') throw new TypeError('no port');
  return address.port;
}
