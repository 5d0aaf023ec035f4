import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';
import { nextLines, restLines } from '../../../src/cli/demo/next-steps.ts';
import { createPaint } from '../../../src/cli/terminal/terminal-text.ts';

const SHEET = { width: 80, paint: createPaint(false) };

test.each(['/tmp/tasktrail-demo-x', '/tmp/a b/$HOME', "/tmp/it's", '/tmp/;echo two'])(
  'a shell takes the directory %s of the commands as one word',
  (logDir) => {
    const lines = nextLines(logDir, SHEET).filter((line) => line.includes(' --dir '));
    expect(lines).toHaveLength(3);
    for (const line of lines) {
      const command = line.trim().replace('npx tasktrail', 'printf "%s\\n"');
      const words = execFileSync('sh', ['-c', command], { encoding: 'utf8' }).split('\n');
      expect(words[words.indexOf('--dir') + 1]).toBe(logDir);
    }
  },
);

test('the addresses are those of the service that runs', () => {
  expect(restLines('http://127.0.0.1:1').join('\n')).toContain('curl http://127.0.0.1:1/api/tasks\n');
});
