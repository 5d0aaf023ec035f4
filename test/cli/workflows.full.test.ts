import { join } from 'node:path';
import { expect, test } from 'vitest';
import { documentOf, fact, linesOf, wholeRun, writeWorkflow } from '../support/workflow-files.ts';
import { runCommand, tempDir } from './run-command.ts';

/** A workflow that has ended, a failed one of another project, and one in the middle of a step. */
async function withWorkflows(): Promise<string> {
  const cwd = await tempDir();
  const month = join(cwd, 'logs', '_workflow', '2026', '11');
  const whole = wholeRun('workflow-199-whole', { name: 'faber' });
  writeWorkflow(month, 'workflow-199-whole', {
    facts: whole,
    document: documentOf('workflow-199-whole', whole),
  });
  const failed = [
    fact('workflow-200-failed', 60, { project: 'other' }),
    fact('workflow-200-failed', 90, { event_type: 'workflow_complete', payload: { status: 'failure' } }),
  ];
  writeWorkflow(month, 'workflow-200-failed', { facts: failed });
  writeWorkflow(month, 'workflow-201-open', { facts: wholeRun('workflow-201-open').slice(0, 3) });
  return cwd;
}

test('workflows are listed newest first, with where they are', async () => {
  const cwd = await withWorkflows();
  const { code, stdout, stderr } = await runCommand(['workflows'], { cwd });
  expect([code, stderr]).toEqual([0, '']);
  const [header = '', ...rows] = stdout.trimEnd().split('\n');
  expect(header.split(/\s{2,}/)).toEqual(
    expect.arrayContaining(['ID', 'STATUS', 'AGE', 'NAME', 'WORK ITEM', 'TIME', 'TASKS', 'PROJECT', 'AT']),
  );
  expect(rows.map((row) => row.split(/\s+/).slice(0, 2))).toEqual([
    ['workflow-200-failed', 'failure'],
    ['workflow-201-open', 'running'],
    ['workflow-199-whole', 'success'],
  ]);
  expect(rows[1]).toMatch(/architect\/generate-spec$/);
  expect(rows[2]).toContain('faber');
});

test.each([
  [['--status', 'success'], ['workflow-199-whole']],
  [['--project', 'other'], ['workflow-200-failed']],
  [
    ['--until', '2026-11-21T10:00:30Z'],
    ['workflow-201-open', 'workflow-199-whole'],
  ],
  [['--limit', '1'], ['workflow-200-failed']],
])('%j filters, and --json prints an object a line', async (args, ids) => {
  const cwd = await withWorkflows();
  const { stdout } = await runCommand(['workflows', '--json', ...args], { cwd });
  const lines = stdout.trimEnd().split('\n');
  expect(lines.map((line) => JSON.parse(line).workflow_id)).toEqual(ids);
});

test('one workflow is shown with its phases and steps, also by the beginning of its id', async () => {
  const cwd = await withWorkflows();
  const { code, stdout } = await runCommand(['workflows', '199-w'], { cwd });
  expect(code).toBe(0);
  expect(stdout).toMatch(/^workflow +workflow-199-whole\nname +faber\nstatus +success\nwork item +199\n/);
  expect(stdout).toMatch(/\nartifacts +spec \/specs\/x\.md\n/);
  expect(stdout).toMatch(/\narchitect +success +4\.0s +1\n/);
  expect(stdout).toMatch(/\narchitect +generate-spec +success +2\.0s +1\n/);
  const json = await runCommand(['workflows', 'workflow-199-whole', '--json'], { cwd });
  expect(JSON.parse(json.stdout)).toMatchObject({ status: 'success', revision: 1, task_ids: [] });
});

test.each([
  [['workflows', 'workflow-2'], 2, 'several workflows begin with workflow-2: workflow-200-failed'],
  [['workflows', 'absent'], 1, 'logs: "tasktrail workflows" lists them, --dir names another directory'],
  [['workflows', '../x'], 2, 'tasktrail workflows --help'],
  [['workflows', '--status', 'sucess'], 2, 'status: must be one of running, waiting, success'],
  [['workflows', '--limit', '0'], 2, '--limit: must be a whole number'],
  [['workflows', '--since', 'soon'], 2, '--since: "soon" is not a time'],
])('%j ends with %d and a reason', async (args, code, reason) => {
  const cwd = await withWorkflows();
  const run = await runCommand(args, { cwd });
  expect([run.code, run.stdout]).toEqual([code, '']);
  expect(run.stderr).toContain(reason);
});

test('an empty directory and filters that match nothing say different things', async () => {
  const cwd = await tempDir();
  expect((await runCommand(['workflows'], { cwd })).stderr).toContain('no workflows yet in');
  const filled = await withWorkflows();
  const { code, stderr } = await runCommand(['workflows', '--work-item', 'none'], { cwd: filled });
  expect([code, stderr]).toEqual([0, expect.stringContaining('matches: change or leave out a filter')]);
});

test('control characters of a recorded name do not reach the terminal', async () => {
  const cwd = await tempDir();
  const facts = wholeRun('workflow-1-x', { name: 'a\u001b[31mb\u202e' });
  writeWorkflow(join(cwd, 'logs', '_workflow', '2026', '11'), 'workflow-1-x', { facts: linesOf(facts) });
  for (const args of [['workflows'], ['workflows', 'workflow-1-x'], ['workflows', '--json']]) {
    const { stdout } = await runCommand(args, { cwd });
    for (const unsafe of ['\u001b', '\u202e']) expect(stdout).not.toContain(unsafe);
  }
});
