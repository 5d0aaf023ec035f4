import { execFile } from 'node:child_process';
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import {
  CreateBucketCommand,
  GetObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { freePort } from './free-port.ts';
import { ServerProcess } from './server-process.ts';
import { findTool, type Tool } from './tool.ts';

export const ACCESS_KEY = 'tasktrail-test-key';
export const SECRET_KEY = 'tasktrail-test-secret';

export function findVersitygw(): Tool {
  return findTool('versitygw');
}

/** A python3 that can import boto3. */
export function findBoto3(): Tool {
  return findTool('python');
}

/** An S3 server with a temporary directory. */
export interface S3Server {
  readonly endpoint: string;
  readonly client: S3Client;
  readonly pid: number;
  makeBucket(name: string): Promise<void>;
  put(bucket: string, key: string, text: string): Promise<string>;
  /** The object's text; undefined if it does not exist. */
  get(bucket: string, key: string): Promise<string | undefined>;
  /** The text of all objects with the prefix, by key. Gzip is decompressed. */
  objectsIn(bucket: string, prefix?: string): Promise<ReadonlyMap<string, string>>;
  logs(): string;
  kill(signal?: NodeJS.Signals): Promise<void>;
  /** Restarts on the same port with the same data. */
  start(): Promise<void>;
  stop(): Promise<void>;
}

export async function startVersitygw(path: string): Promise<S3Server> {
  const dir = await mkdtemp(join(tmpdir(), 'tasktrail-s3-'));
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = await ServerProcess.start({
    name: 'versitygw',
    command: path,
    args: ['--port', `127.0.0.1:${port}`, 'posix', dir],
    env: { ROOT_ACCESS_KEY: ACCESS_KEY, ROOT_SECRET_KEY: SECRET_KEY },
    // Any status: requests without a key are rejected.
    isReady: async () => (await fetch(endpoint)).status > 0,
    directory: dir,
  });
  const credentials = { accessKeyId: ACCESS_KEY, secretAccessKey: SECRET_KEY };
  const client = new S3Client({ endpoint, region: 'us-east-1', forcePathStyle: true, credentials });
  return {
    endpoint,
    client,
    ...requests(client),
    get pid() {
      return server.pid;
    },
    logs: () => server.logs(),
    kill: (signal) => server.kill(signal),
    start: () => server.start(),
    stop: async () => {
      client.destroy();
      await server.stop();
    },
  };
}

function requests(client: S3Client): Pick<S3Server, 'makeBucket' | 'put' | 'get' | 'objectsIn'> {
  return {
    makeBucket: async (name) => {
      await client.send(new CreateBucketCommand({ Bucket: name }));
    },
    put: async (bucket, key, text) => {
      const body = { Body: text, ContentLength: Buffer.byteLength(text) };
      const { ETag } = await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, ...body }));
      return ETag ?? '';
    },
    get: async (bucket, key) => (await read(client, bucket, key))?.toString(),
    objectsIn: async (bucket, prefix = '') => {
      const objects = new Map<string, string>();
      for await (const page of paginateListObjectsV2({ client }, { Bucket: bucket, Prefix: prefix }))
        for (const { Key: key = '' } of page.Contents ?? []) {
          const bytes = (await read(client, bucket, key)) ?? Buffer.alloc(0);
          objects.set(key, (isGzip(bytes) ? gunzipSync(bytes) : bytes).toString());
        }
      return objects;
    },
  };
}

async function read(client: S3Client, bucket: string, key: string): Promise<Buffer | undefined> {
  try {
    const { Body } = await client.send(new GetObjectCommand({ Bucket: bucket, Key: key }));
    return Buffer.from((await Body?.transformToByteArray()) ?? []);
  } catch (error) {
    if (error instanceof Error && error.name === 'NoSuchKey') return undefined;
    throw error;
  }
}

function isGzip(bytes: Buffer): boolean {
  return bytes[0] === 0x1f && bytes[1] === 0x8b;
}

/** Runs Python and returns its stdout. */
export async function runPython(
  python: string,
  args: readonly string[],
  env: Readonly<Record<string, string>>,
): Promise<string> {
  const { stdout } = await promisify(execFile)(python, args, { env: { ...process.env, ...env } });
  return stdout;
}
