import type { AgentOutput } from '../../model/agent-output.ts';
import { lastOfText } from '../../model/text.ts';
import { createPieceRedactor } from '../../redact/stream.ts';
import { type Dialect, type DialectReader, outputOf, UNKNOWN_USAGE, type Verdict } from './dialect.ts';

/**
 * The last output of a program is its result. The limit fits a long report, but not a build log: the result is one record
 * and is shown as a whole.
 */
const RESULT_CHARS_MAX = 64 * 1024;

/** Any program: each line is output, and the exit code alone decides about success. */
export const text: Dialect = { name: 'text', open: () => new TextReader() };

class TextReader implements DialectReader {
  readonly model = null;
  readonly isFinal = false;
  /** The result may begin in the middle of a key, whose lines no longer show it. */
  readonly #redactor = createPieceRedactor();
  #tail = '';
  #dropped = false;

  read(line: string, partial: boolean): readonly AgentOutput[] {
    this.#tail += this.#redactor.mask(line);
    // Twice the limit, so that a long output is not copied for each line.
    if (this.#tail.length > 2 * RESULT_CHARS_MAX) {
      this.#tail = lastOfText(this.#tail, RESULT_CHARS_MAX);
      this.#dropped = true;
    }
    return [outputOf(line, partial)];
  }

  end(): readonly AgentOutput[] {
    return [];
  }

  verdict(): Verdict {
    return { success: undefined, result: this.#result(), error: null, usage: UNKNOWN_USAGE };
  }

  #result(): string | null {
    const whole = this.#tail.trimEnd();
    if (whole === '') return null;
    if (!this.#dropped && whole.length <= RESULT_CHARS_MAX) return whole;
    const cut = lastOfText(whole, RESULT_CHARS_MAX);
    // The first line has lost its start.
    return cut.slice(cut.indexOf('\n') + 1);
  }
}
