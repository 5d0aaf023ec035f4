import { closeSync, openSync, readFileSync, writeSync } from 'node:fs';
import type { OutputStream } from '../model/agent-output.ts';

/** A stretch of a stream that was read in one go, and when. */
export interface ReadMark {
  /** Bytes of the stream from its beginning to the end of the stretch. */
  readonly endBytes: number;
  readonly timeMs: number;
}

/**
 * Which bytes of a run's streams were read when: a line each, written before what they say is recorded. So whoever
 * reads them again after a crash records the same with the same times, and knows where to go on.
 */
export class ReadLog {
  readonly #path: string;
  #fd: number | undefined;

  constructor(path: string) {
    this.#path = path;
  }

  append(stream: OutputStream, { endBytes, timeMs }: ReadMark): void {
    try {
      this.#fd ??= openSync(this.#path, 'a', 0o600);
      writeSync(this.#fd, `${stream} ${endBytes} ${timeMs}\n`);
    } catch {
      // ENOSPC and its like: after a crash what was read since would get later times, and no line more or less.
    }
  }

  /** Whole lines only, in the order of each stream. */
  read(): Readonly<Record<OutputStream, readonly ReadMark[]>> {
    const marks: Record<OutputStream, ReadMark[]> = { stdout: [], stderr: [] };
    let text = '';
    try {
      text = readFileSync(this.#path, 'latin1');
    } catch {
      // ENOENT: nothing was read yet.
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
