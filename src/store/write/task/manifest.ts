import { createHash } from 'node:crypto';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { SCHEMA_VERSION } from '../../../model/documents.ts';
import { replaceFile } from '../../../system/durable.ts';
import { openIfPresent } from '../../../system/files/optional-files.ts';
import { checkLease } from '../../../system/lease-guard.ts';
import { NEWLINE } from '../../../system/lines.ts';
import { TASK_FILES, type TaskFile } from '../../layout.ts';

/** Content of a file: its lines, its bytes and their SHA-256. A compressed file counts as it was before. */
export interface FileSum {
  readonly lines: number;
  readonly bytes: number;
  readonly sha256: string;
}

/** `manifest.json`: what the files of a task were when it had settled, by their names. */
export interface Manifest {
  readonly schema_version: number;
  readonly task_id: string;
  readonly files: Readonly<Record<string, FileSum>>;
}

const READ_BYTES = 1_048_576;

/** The files that a manifest lists, in its order. */
export const LISTED: readonly TaskFile[] = [
  ...(['metadata', 'input', 'webhookFlow', 'agentOutput', 'finalResult', 'trace', 'facts'] as const),
];

/** The manifest of one open task. It is written when the task has settled, and removed before the first later line. */
export class TaskManifest {
  readonly #dir: string;
  readonly #taskId: string;
  /** Undefined: there may be one of an earlier process. It stays as it is, so that it shows what has changed since. */
  #exists: boolean | undefined;

  constructor(dir: string, taskId: string) {
    this.#dir = dir;
    this.#taskId = taskId;
  }

  /** The folder of the task is new. */
  isNew(): void {
    this.#exists = false;
  }

  /** Lines are about to be written. */
  async outdate(): Promise<void> {
    if (this.#exists === false) return;
    checkLease();
    await rm(this.#path, { force: true });
    this.#exists = false;
  }

  /** Writes it unless it exists. Call it when the files are complete. */
  async complete(): Promise<void> {
    if (this.#exists === undefined) {
      const opened = await openIfPresent(this.#path, 'r');
      await opened?.close();
      this.#exists = opened !== undefined;
    }
    if (this.#exists) return;
    const files: Record<string, FileSum> = {};
    for (const file of LISTED) {
      const sum = await sumOf(join(this.#dir, TASK_FILES[file]));
      if (sum !== undefined) files[TASK_FILES[file]] = sum;
    }
    const manifest: Manifest = { schema_version: SCHEMA_VERSION, task_id: this.#taskId, files };
    await replaceFile(this.#path, `${JSON.stringify(manifest)}\n`);
    this.#exists = true;
  }

  get #path(): string {
    return join(this.#dir, TASK_FILES.manifest);
  }
}

/** Adds up the pieces of a file. */
export class RunningSum {
  readonly #hash = createHash('sha256');
  #lines = 0;
  #bytes = 0;

  add(piece: Buffer): void {
    this.#hash.update(piece);
    this.#bytes += piece.length;
    for (let at = piece.indexOf(NEWLINE); at >= 0; at = piece.indexOf(NEWLINE, at + 1)) this.#lines += 1;
  }

  /** The sum up to here. */
  get sum(): FileSum {
    return { lines: this.#lines, bytes: this.#bytes, sha256: this.#hash.copy().digest('hex') };
  }
}

async function sumOf(path: string): Promise<FileSum | undefined> {
  const file = await openIfPresent(path, 'r');
  if (file === undefined) return undefined;
  try {
    const sum = new RunningSum();
    const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, (await file.stat()).size + 1));
    for (let at = 0; ; ) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, at);
      if (bytesRead === 0) return sum.sum;
      sum.add(buffer.subarray(0, bytesRead));
      at += bytesRead;
    }
  } finally {
    await file.close();
  }
}
