import { isMark } from '../../model/sender.ts';
import { isBlankLine, type OpenedLines } from '../../store/task-file.ts';
import { keyOf, supersedeCopies } from '../../store/write/lines/sent-line.ts';
import type { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import { withoutLeadingNuls } from '../../system/files/nul-block.ts';
import type { Line } from '../../system/lines.ts';
import type { NewLine } from '../../warehouse/rows.ts';
import { type LineKind, storedLine } from '../../warehouse/write/stored-lines.ts';

/** A file to read. */
export interface FilePlace {
  readonly kind: LineKind;
  readonly unit: string;
  readonly opened: OpenedLines;
  /** Of the task: it decides which of several lines of a tool call stays. */
  readonly telemetry?: TaskTelemetry;
  /** Sees each record in the first reading. */
  onLine?(line: NewLine): void;
}

/** The lines of a file, each record once: as readers give them, and as the store leaves them once it has put the file in order. */
export class FileLines {
  /** Lines that no reader shows: damaged, or of a form that this version does not know. */
  get left(): number {
    return this.#scan.left;
  }
  readonly #place: FilePlace;
  readonly #scan: FileScan;

  private constructor(place: FilePlace, scan: FileScan) {
    this.#place = place;
    this.#scan = scan;
  }

  /** Reads the file once. Memory grows with the number of its lines, not with their length. */
  static async open(place: FilePlace): Promise<FileLines> {
    const scan = new FileScan(place);
    for await (const batch of place.opened.lines())
      for (const stored of batch) {
        const line = readLine(place, stored);
        if (line !== undefined) scan.add(line);
        else if (!isBlankLine(stored)) scan.left += 1;
      }
    scan.end();
    return new FileLines(place, scan);
  }

  /** Whether the file has a line of this key, though another one may stand for it: see `lineKey`. */
  has(key: string): boolean {
    return this.#scan.keys.has(key);
  }

  async *batches(): AsyncGenerator<readonly NewLine[]> {
    const seen = new Set<string>();
    for await (const batch of this.#place.opened.lines()) {
      const lines: NewLine[] = [];
      for (const stored of batch) {
        const line = readLine(this.#place, stored);
        if (line === undefined || this.#scan.dropped.has(lineKey(line))) continue;
        if (this.#scan.hasRepeats && seen.size === seen.add(lineKey(line)).size) continue;
        lines.push(line);
      }
      if (lines.length > 0) yield lines;
    }
  }
}

/** A record and its sender: of lines that have the same one the first stays. */
export function lineKey({ id, sender }: Pick<NewLine, 'id' | 'sender'>): string {
  return keyOf(id, isMark(sender) ? sender : undefined);
}

function readLine({ kind, unit }: FilePlace, stored: Line): NewLine | undefined {
  const text = withoutLeadingNuls(stored).bytes?.toString('utf8');
  return text === undefined ? undefined : storedLine(kind, unit, text);
}

/** What the first reading finds. */
class FileScan {
  left = 0;
  hasRepeats = false;
  readonly keys: Set<string> = new Set();
  /** Lines that another one stands for. */
  readonly dropped: Set<string> = new Set();
  readonly #place: FilePlace;
  readonly #marked: { readonly id: string }[] = [];

  constructor(place: FilePlace) {
    this.#place = place;
  }

  add(line: NewLine): void {
    const key = lineKey(line);
    if (this.keys.size === this.keys.add(key).size) {
      this.hasRepeats = true;
      return;
    }
    this.#place.onLine?.(line);
    if (isMark(line.sender)) this.#marked.push({ id: key });
  }

  end(): void {
    const { kind, telemetry } = this.#place;
    if (kind !== 'output' && kind !== 'stage') return;
    const supersede = (key: string): void => void this.dropped.add(key);
    supersedeCopies({ has: (key) => this.keys.has(key), supersede }, this.#marked);
    if (kind === 'output') for (const key of telemetry?.takeSuperseded() ?? []) supersede(key);
  }
}
