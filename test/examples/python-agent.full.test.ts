import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { readLines, readSpans } from '../support/receiver.ts';
import { copyExample, openSandbox, type Sandbox } from '../support/sandbox.ts';
import { readDocument } from '../support/service-process.ts';
import { findTool, pathOf } from '../support/tool.ts';

const python = findTool('python');

describe.skipIf('missing' in python)('the example python-agent', () => {
  let sandbox: Sandbox;

  beforeEach(async () => {
    sandbox = await openSandbox();
    await copyExample('python-agent', sandbox);
  });

  afterEach(() => sandbox.remove());

  test('its spans are children of the agent run, and its log records and output are lines of the task', async () => {
    const program = pathOf(python);
    const end = await sandbox.run(
      `cd python-agent; echo 'review this change' | tasktrail run -- ${program} agent.py; tasktrail tasks --json`,
    );
    expect([end.code, end.stderr]).toEqual([0, '']);
    const [output, listed = ''] = end.stdout.split('\n');
    expect(output).toBe('Nothing to complain about.');
    const { task_id: id } = JSON.parse(listed) as { task_id: string };
    expect(await readDocument(sandbox.logDir, id, '04-final-result.json')).toMatchObject({
      success: true,
      metrics: { input_tokens: 120, output_tokens: 30, models: { 'model-1': { input_tokens: 120 } } },
    });
    expect(await readDocument(sandbox.logDir, id, 'metadata.json')).toMatchObject({ model: 'model-1' });
    const lines = await readLines(`${sandbox.logDir}/${id}/03-agent-output.jsonl`);
    expect(lines.map(({ type, content }) => [type, content])).toEqual(
      expect.arrayContaining([
        ['system', 'asked for: review this change'],
        ['output', 'Nothing to complain about.\n'],
      ]),
    );
    const spans = await readSpans(sandbox.logDir, id);
    const run = spans.find(({ name }) => name.startsWith('invoke_agent'));
    const own = spans.filter(({ name }) => ['plan', 'chat model-1'].includes(name));
    expect(own.map(({ parentSpanId }) => parentSpanId)).toEqual([run?.spanId, run?.spanId]);
  });
});
