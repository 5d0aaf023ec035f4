import { expect, onTestFinished, test, vi } from 'vitest';
import { reportError } from '../../src/cli/exit-code.ts';
import { TasktrailError } from '../../src/errors.ts';

function report(error: unknown, help?: string): { code: number; text: string } {
  let text = '';
  const spy = vi.spyOn(process.stderr, 'write').mockImplementation((piece) => {
    text += piece;
    return true;
  });
  onTestFinished(() => spy.mockRestore());
  const code = reportError(error, help);
  spy.mockRestore();
  return { code, text };
}

test.each([
  ['ERR_CONFIG_INVALID', 2],
  ['ERR_INPUT_INVALID', 2],
  ['ERR_ID_INVALID', 2],
  ['ERR_DIRECTORY_HELD', 1],
  ['ERR_NOT_FOUND', 1],
  ['ERR_UNEXPECTED', 1],
] as const)('%s is exit code %d', (code, exitCode) => {
  expect(report(new TasktrailError(code, 'it is wrong'))).toEqual({
    code: exitCode,
    text: 'tasktrail: it is wrong\n',
  });
});

test('further lines stand below the text of the first', () => {
  expect(report(new TasktrailError('ERR_CONFIG_INVALID', 'PORT: wrong\nHOST: wrong')).text).toBe(
    'tasktrail: PORT: wrong\n           HOST: wrong\n',
  );
});

test('an error in the arguments names the help of its command, other errors do not', () => {
  const help = 'tasktrail tasks --help';
  expect(report(new TasktrailError('ERR_INPUT_INVALID', '--since: wrong'), help).text).toBe(
    'tasktrail: --since: wrong\n           (see tasktrail tasks --help)\n',
  );
  expect(report(new TasktrailError('ERR_NOT_FOUND', 'there is no task'), help).text).not.toContain('help');
});

test('a defect keeps its stack and asks for a report', () => {
  const { code, text } = report(new RangeError('off by one'));
  expect(code).toBe(70);
  expect(text).toMatch(/^tasktrail: unexpected error, .*please report it.*\n +RangeError: off by one\n +at /);
  expect(report('a string').text).toContain('a string');
});
