import type { Spent } from '../../model/budget.ts';
import { parseObject } from '../../model/json.ts';
import { mayBeLoggedCall } from '../../project/genai/logged-call.ts';
import { taskFile } from '../../store/layout.ts';
import { openStored } from '../../store/stored-file.ts';
import { TaskTelemetry } from '../../store/write/task/task-telemetry.ts';
import { LineSplitter } from '../../system/lines.ts';
import { nextTurn } from '../../system/turns.ts';

/** Small enough that other work goes on between two pieces. */
const PIECE_BYTES = 65_536;

/** A longer line is no report of a model call. */
const LINE_BYTES_MAX = 1_048_576;

/** Reads what the telemetry of a running task says that it has used. Reads each part of its files once. */
export class TaskUsage {
  readonly #telemetry = new TaskTelemetry();
  readonly #files: readonly FollowedFile[];

  constructor(logDir: string, taskId: string) {
    // The task is the trail's: what anonymous senders report does not count.
    this.#telemetry.claim();
    this.#files = [
      new FollowedFile(taskFile(logDir, taskId, 'trace'), (text) =>
        this.#telemetry.readSpan(parseObject(text)),
      ),
      new FollowedFile(taskFile(logDir, taskId, 'agentOutput'), (text) => {
        if (mayBeLoggedCall(text)) this.#telemetry.readLine(parseObject(text));
      }),
    ];
  }

  /** Undefined when nothing is reported. Never rejects: where files cannot be read, the agent's own output counts. */
  async read(): Promise<Omit<Spent, 'seconds'> | undefined> {
    try {
      for (const file of this.#files) await file.read();
    } catch {
      // EACCES, EMFILE: the next look reads it.
    }
    return this.#telemetry.used();
  }
}

class FollowedFile {
  readonly #path: string;
  readonly #onLine: (text: string) => void;
  readonly #splitter = new LineSplitter({ bytesMax: LINE_BYTES_MAX });
  #position = 0;

  constructor(path: string, onLine: (text: string) => void) {
    this.#path = path;
    this.#onLine = onLine;
  }

  async read(): Promise<void> {
    const opened = await openStored({ path: this.#path, what: 'a file of a running task' });
    if (opened === undefined) return;
    const buffer = Buffer.allocUnsafe(PIECE_BYTES);
    try {
      while (this.#position < opened.size) {
        const { bytesRead } = await opened.handle.read(buffer, 0, PIECE_BYTES, this.#position);
        if (bytesRead === 0) return;
        this.#position += bytesRead;
        for (const { bytes } of this.#splitter.push(buffer.subarray(0, bytesRead)))
          if (bytes !== undefined) this.#onLine(bytes.toString('utf8'));
        await nextTurn();
      }
    } finally {
      await opened.handle.close();
    }
  }
}
