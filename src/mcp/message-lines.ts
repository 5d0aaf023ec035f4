import { Transform, type TransformCallback } from 'node:stream';
import type { JSONRPCMessage } from '@modelcontextprotocol/server';
import { StdioServerTransport } from '@modelcontextprotocol/server/stdio';
import { isJsonObject, objectOf } from '../model/json.ts';

/** Bytes of one message of the client: many times the arguments of a call. */
const MESSAGE_BYTES_MAX = 1_048_576;

/** For answers after the end of the input. A call takes a few seconds at most. */
const LAST_ANSWERS_MS = 10_000;

/**
 * The lines of a client, before the SDK reads them: it says nothing about a line that is no JSON, and drops the answers that are
 * still open at the end of the input. This stream ends when they are given.
 */
export class MessageLines extends Transform {
  readonly #onUnreadable: () => void;
  /** Ids of requests without an answer, as JSON. */
  readonly #open = new Set<string>();
  #rest: Buffer = Buffer.alloc(0);
  #onAnswer: () => void = () => {};

  constructor(onUnreadable: () => void) {
    super();
    this.#onUnreadable = onUnreadable;
  }

  /** An answer to the client, or a message that needs none. */
  answered(id: unknown): void {
    this.#open.delete(JSON.stringify(id));
    if (this.#open.size === 0) this.#onAnswer();
  }

  override _transform(chunk: Buffer, _encoding: string, done: TransformCallback): void {
    const bytes = this.#rest.length === 0 ? chunk : Buffer.concat([this.#rest, chunk]);
    const end = bytes.lastIndexOf(0x0a) + 1;
    for (const line of bytes.subarray(0, end).toString('utf8').split('\n')) this.#take(line);
    this.#rest = bytes.subarray(end);
    // The SDK refuses what is too long, and says so.
    if (this.#rest.length > MESSAGE_BYTES_MAX) {
      this.push(this.#rest);
      this.#rest = Buffer.alloc(0);
    }
    done();
  }

  override _flush(done: TransformCallback): void {
    this.#take(this.#rest.toString('utf8'));
    const timer = setTimeout(done, LAST_ANSWERS_MS);
    this.#onAnswer = () => {
      clearTimeout(timer);
      // Behind the answer, which is written after it is counted.
      setImmediate(done);
      this.#onAnswer = () => {};
    };
    if (this.#open.size === 0) this.#onAnswer();
  }

  #take(line: string): void {
    if (line.trim() === '') return;
    try {
      this.#note(JSON.parse(line));
      this.push(`${line}\n`);
    } catch {
      // SyntaxError.
      this.#onUnreadable();
    }
  }

  #note(message: unknown): void {
    if (!isJsonObject(message) || typeof message.method !== 'string') return;
    if (message.id !== undefined) this.#open.add(JSON.stringify(message.id));
    else if (message.method === 'notifications/cancelled') this.answered(objectOf(message.params).requestId);
  }
}

/** Standard input and output of this process. `input` ends with the last answer. */
export function openStandardStreams(): {
  readonly transport: StdioServerTransport;
  readonly input: MessageLines;
} {
  const input = new MessageLines(() => {
    // JSON-RPC 2.0, section 5.1.
    const answer = { jsonrpc: '2.0', id: null, error: { code: -32_700, message: 'Parse error' } };
    process.stdout.write(`${JSON.stringify(answer)}\n`);
  });
  process.stdin.once('error', () => input.end());
  // A terminal that is gone closes without an end; a file and /dev/null end without being closed.
  process.stdin.once('close', () => input.end());
  process.stdin.pipe(input);
  const transport = new (class extends StdioServerTransport {
    override async send(message: JSONRPCMessage): Promise<void> {
      try {
        await super.send(message);
      } finally {
        if ('id' in message && !('method' in message)) input.answered(message.id);
      }
    }
  })(input, process.stdout, { maxBufferSize: MESSAGE_BYTES_MAX });
  return { transport, input };
}
