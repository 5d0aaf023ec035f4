import { expect, test } from 'vitest';
import { taskDir, taskFile } from '../../src/store/layout.ts';

test('the files of a task are in the directory named after its id', () => {
  expect(taskDir('/logs', 'task-1')).toBe('/logs/task-1');
  expect(taskFile('/logs', 'task-1', 'agentOutput')).toBe('/logs/task-1/03-agent-output.jsonl');
});

test.each(['..', '../x', '_workflow', '.x', '', 'a/b', 'a\0b'])('the id %j is refused as a path', (id) => {
  expect(() => taskDir('/logs', id)).toThrow(expect.objectContaining({ code: 'ERR_ID_INVALID' }));
});
