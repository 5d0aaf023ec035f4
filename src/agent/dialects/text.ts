import type { AgentOutput } from '../../model/agent-output.ts';
import { type Dialect, type DialectReader, outputOf, UNKNOWN_USAGE, type Verdict } from './dialect.ts';

/**
 * What a plain program printed last stands for its result. A long report fits; the result travels in one record
 * (the sender's requests end at 4 MiB) and is shown as a whole, so a whole build log must not.
 */
const RESULT_CHARS_MAX = 64 * 1024;

/** Any program: its lines are its output, and only its exit code says how it went. */
export const text: Dialect = { name: 'text', open: () => new TextReader() };

class TextReader implements DialectReader {
  readonly model = null;
  #tail = '';
  #dropped = false;

  read(line: string, partial: boolean): readonly AgentOutput[] {
    this.#tail += line;
    // Twice the bound, so that a long output is not copied once a line.
    if (this.#tail.length > 2 * RESULT_CHARS_MAX) {
      this.#tail = this.#tail.slice(-RESULT_CHARS_MAX);
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
    const cut = whole.slice(-RESULT_CHARS_MAX);
    // A line that lost its beginning would read as something that was never printed.
    return cut.slice(cut.indexOf('\n') + 1);
  }
}
