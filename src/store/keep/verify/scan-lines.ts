import { isNewer } from '../../../model/documents.ts';
import { type JsonObject, parseObject } from '../../../model/json.ts';
import { openIfPresent } from '../../../system/files/optional-files.ts';
import { type Line, LineSplitter } from '../../../system/lines.ts';
import { gzipPath, inflate } from '../../compress.ts';
import { type FileSum, RunningSum } from '../../write/task/manifest.ts';
import type { Findings } from './finding.ts';

export interface ScanOptions {
  readonly path: string;
  /** For messages. */
  readonly name: string;
  readonly findings: Findings;
  /** Whether a gzipped form takes its place. */
  readonly mayBeGzipped?: boolean;
  /** The sum of this many bytes from the start is returned too. */
  readonly prefixBytes?: number | undefined;
  /** The key of a line; undefined when the line has not the form of this file. */
  keyOf(line: JsonObject): { readonly id: string; readonly timestamp: string } | undefined;
  onLine?(line: JsonObject, number: number): void;
}

export interface ScannedLines {
  readonly sum: FileSum;
  readonly prefix: FileSum | undefined;
  /** Lines of an unknown form of a newer version. */
  readonly newer: number;
  /** Bad lines and a torn tail. */
  readonly bad: number;
  readonly isOrdered: boolean;
  /** The earliest and the latest time; undefined without lines. */
  readonly first: string | undefined;
  readonly last: string | undefined;
}

const READ_BYTES = 262_144;

/** Reads a line file without changing it. Undefined when it does not exist; throws what the system throws. */
export async function scanLines(options: ScanOptions): Promise<ScannedLines | undefined> {
  const plain = await openIfPresent(options.path, 'r');
  if (plain !== undefined) {
    try {
      return await scan(readPieces(plain), options);
    } finally {
      await plain.close();
    }
  }
  if (options.mayBeGzipped !== true) return undefined;
  const gzipped = await openIfPresent(gzipPath(options.path), 'r');
  if (gzipped === undefined) return undefined;
  try {
    return await scan(inflate(gzipped), { ...options, name: gzipPath(options.name) });
  } finally {
    await gzipped.close();
  }
}

interface Readable {
  read(buffer: Buffer, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
}

async function* readPieces(file: Readable): AsyncGenerator<Buffer> {
  const buffer = Buffer.allocUnsafe(READ_BYTES);
  for (let at = 0; ; ) {
    const { bytesRead } = await file.read(buffer, 0, READ_BYTES, at);
    if (bytesRead === 0) return;
    yield buffer.subarray(0, bytesRead);
    at += bytesRead;
  }
}

async function scan(pieces: AsyncIterable<Buffer>, options: ScanOptions): Promise<ScannedLines> {
  const { prefixBytes } = options;
  const sum = new RunningSum();
  const splitter = new LineSplitter();
  const reader = new LineReader(options);
  let prefix: FileSum | undefined;
  let done = 0;
  for await (const piece of pieces) {
    const cut = prefixBytes === undefined ? -1 : prefixBytes - done;
    if (cut >= 0 && cut < piece.length) {
      sum.add(piece.subarray(0, cut));
      prefix ??= sum.sum;
      sum.add(piece.subarray(cut));
    } else sum.add(piece);
    done += piece.length;
    for (const line of splitter.push(piece)) reader.read(line);
  }
  const rest = splitter.end();
  if (rest !== undefined) reader.read(rest);
  return { sum: sum.sum, prefix, ...reader.result };
}

class LineReader {
  readonly #options: ScanOptions;
  readonly #ids = new Set<string>();
  #number = 0;
  #newer = 0;
  #bad = 0;
  #isOrdered = true;
  #first: string | undefined;
  #last: { readonly id: string; readonly timestamp: string } | undefined;
  #latest: string | undefined;

  constructor(options: ScanOptions) {
    this.#options = options;
  }

  get result(): Omit<ScannedLines, 'sum' | 'prefix'> {
    const [newer, bad, isOrdered] = [this.#newer, this.#bad, this.#isOrdered];
    return { newer, bad, isOrdered, first: this.#first, last: this.#latest };
  }

  read(line: Line): void {
    this.#number += 1;
    if (line.isTerminated && line.end - line.start === 1) return;
    const { name, findings } = this.#options;
    const text = line.bytes?.toString('utf8');
    const value = parseObject(text);
    if (!line.isTerminated) {
      this.#bad += 1;
      findings.add('torn_tail', name, tailText(text, value), this.#number);
      if (value === undefined) return;
    }
    if (value !== undefined) this.#readValue(value);
    else {
      this.#bad += 1;
      findings.add('damaged_line', name, damageText(text), this.#number);
    }
  }

  #readValue(value: JsonObject): void {
    const { keyOf, onLine, name, findings } = this.#options;
    const key = keyOf(value);
    if (key === undefined) {
      if (isNewer(value)) {
        this.#newer += 1;
        findings.add('newer_version', name, 'a line of an unknown form', this.#number);
      } else {
        this.#bad += 1;
        findings.add('invalid_line', name, 'JSON that is no line of this file', this.#number);
      }
      return;
    }
    if (this.#ids.has(key.id)) {
      findings.add('repeated_line', name, 'a line whose id another line has', this.#number);
      return;
    }
    this.#ids.add(key.id);
    const last = this.#last;
    if (last !== undefined && isBefore(key, last)) this.#isOrdered = false;
    this.#last = key;
    if (
      key.timestamp > '1970-01-01T00:00:00.000Z' &&
      !(this.#first !== undefined && this.#first <= key.timestamp)
    )
      this.#first = key.timestamp;
    if (this.#latest === undefined || key.timestamp > this.#latest) this.#latest = key.timestamp;
    onLine?.(value, this.#number);
  }
}

function isBefore(
  key: { readonly id: string; readonly timestamp: string },
  last: { readonly id: string; readonly timestamp: string },
): boolean {
  return key.timestamp === last.timestamp ? key.id < last.id : key.timestamp < last.timestamp;
}

function tailText(text: string | undefined, value: JsonObject | undefined): string {
  if (value !== undefined) return 'the last line has no newline';
  if (text === undefined) return 'the file ends in a line over the limit, without its newline';
  if (text.replaceAll('\0', '') === '') return 'the file ends in NUL bytes';
  return text.includes('\0') ? 'the file ends in half a line and NUL bytes' : 'the file ends in half a line';
}

function damageText(text: string | undefined): string {
  if (text === undefined) return 'a line over the limit';
  if (!text.includes('\0')) return 'a line that is not JSON';
  const rest = text.replace(/^\0+/, '');
  return parseObject(rest) === undefined ? 'a line with NUL bytes' : 'NUL bytes in front of a whole line';
}
