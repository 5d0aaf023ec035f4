import { closeSync, writeSync } from 'node:fs';
import type { OutputStream } from '../model/agent-output.ts';
import { openSafeSync, readTextSync } from '../system/files/safe-open.ts';

/** One read of a stream. */
export interface ReadMark {
  /** Offset of the end of the read, from the start of the stream. */
  readonly endBytes: number;
  readonly timeMs: number;
}

/**
 * The reads of a run's streams, one line each, written before their output is recorded. A process that resumes the run
 * repeats the same reads, so it records the same lines with the same times.
 */
export class ReadLog {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  append(stream: OutputStream, { endBytes, timeMs }: ReadMark): void {
    try {
      this.#fd ??= openSafeSync(this.#path, 'a');
      writeSync(this.#fd, `${stream} ${endBytes} ${timeMs}\n`);
    } catch {
      // ENOSPC: after a crash the lines of this read get later times. No line is lost or recorded twice.
    }
  }

  /** In the order of each stream. A torn last line is skipped. */
  read(): Readonly<Record<OutputStream, readonly ReadMark[]>> {
    const marks: Record<OutputStream, ReadMark[]> = { stdout: [], stderr: [] };
    let text = '';
    try {
      text = readTextSync(this.#path) ?? '';
    } catch {
      // ENOENT: nothing has been read.
    }
    for (const line of text.slice(0, text.lastIndexOf('\n') + 1).split('\n')) {
      const [, stream, end, time] = /^(stdout|stderr) (\d{1,15}) (\d{1,15})$/.exec(line) ?? [];
      if (stream !== 'stdout' && stream !== 'stderr') continue;
      const mark = { endBytes: Number(end), timeMs: Number(time) };
      if (mark.endBytes > (marks[stream].at(-1)?.endBytes ?? 0)) marks[stream].push(mark);
    }
    return marks;
  }

  close(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
  }
}
