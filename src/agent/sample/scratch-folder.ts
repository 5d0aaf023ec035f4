import { type ChildProcess, execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { firstOfText } from '../../model/text.ts';
import type { ToolResult, Transcript } from './transcript.ts';

/** Tool results are shown in the log of a demo, which should stay short. */
const RESULT_CHARS_MAX = 2_000;

/** The tests of the exercise take well below a second; this ends a Node that hangs. */
const TEST_TIMEOUT_MS = 30_000;

/** The sample agent's working directory and its tools. The work is real: files are written and tests are run. */
export class ScratchFolder {
  readonly directory: string;
  readonly #transcript: Transcript;
  #tests: ChildProcess | undefined;

  /** Throws EACCES, EROFS or ENOSPC when the system's temporary directory cannot be written to. */
  constructor(transcript: Transcript) {
    this.directory = mkdtempSync(join(tmpdir(), 'tasktrail-sample-'));
    this.#transcript = transcript;
  }

  /** Ends a test that is running and removes the folder. Synchronous, for the end of the process. */
  remove(): void {
    this.#tests?.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true, maxRetries: 3 });
  }

  /** Puts a file in place without a tool call: a result of an earlier phase. */
  async add(name: string, content: string): Promise<void> {
    await writeFile(this.#path(name), content);
  }

  async read(name: string): Promise<void> {
    const path = this.#path(name);
    await this.#transcript.useTool('Read', { file_path: path }, async () => ({
      content: cut(await readFile(path, 'utf8')),
      isError: false,
    }));
  }

  async write(name: string, content: string): Promise<void> {
    const path = this.#path(name);
    await this.#transcript.useTool('Write', { file_path: path, content }, async () => {
      await writeFile(path, content);
      return { content: `Created ${path} with ${content.split('\n').length - 1} lines.`, isError: false };
    });
  }

  async edit(name: string, before: string, after: string): Promise<void> {
    const path = this.#path(name);
    const input = { file_path: path, old_string: before, new_string: after };
    await this.#transcript.useTool('Edit', input, async () => {
      const text = await readFile(path, 'utf8');
      const isFound = text.includes(before);
      if (isFound)
        await writeFile(
          path,
          text.replace(before, () => after),
        );
      return {
        content: isFound ? `Replaced 1 occurrence in ${path}.` : `old_string is not in ${path}.`,
        isError: !isFound,
      };
    });
  }

  /** Runs a test file with Node's test runner. Returns whether it passed. */
  async test(name: string): Promise<boolean> {
    const args = ['--test', '--test-reporter=spec', name];
    const input = { command: ['node', ...args].join(' '), description: 'Run the tests' };
    const result = await this.#transcript.useTool('Bash', input, () => this.#runNode(args));
    return !result.isError;
  }

  #runNode(args: readonly string[]): Promise<ToolResult> {
    return new Promise((resolve) => {
      // An empty environment: NODE_OPTIONS, FORCE_COLOR or NODE_TEST_CONTEXT of a caller would change the output.
      const options = { cwd: this.directory, env: {}, timeout: TEST_TIMEOUT_MS };
      this.#tests = execFile(process.execPath, args, options, (error, stdout, stderr) => {
        this.#tests = undefined;
        const code = error === null ? '' : `Exit code ${String(error.code)}\n`;
        resolve({ content: cut(`${code}${stdout}${stderr}`), isError: error !== null });
      });
    });
  }

  #path(name: string): string {
    return join(this.directory, name);
  }
}

/** Keeps surrogate pairs whole. */
function cut(text: string): string {
  return firstOfText(text, RESULT_CHARS_MAX);
}
