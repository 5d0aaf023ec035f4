// What the browser tests and the screenshots show: tasks that a real service has recorded. JavaScript, because the script of
// the screenshots runs without a compiler.
import { createHmac, randomUUID } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';

const AGENT = resolve(import.meta.dirname, 'recorded-agent.mjs');
const SAMPLES = resolve(import.meta.dirname, '../../samples');

export const SECRET = 'a secret of the tests';

/** Views of the page. `ready` is there when a view shows its data. A new view is a row. */
export const VIEWS = [
  { name: 'tasks', path: () => '/', ready: '.task-row .status-completed' },
  { name: 'no-tasks', path: () => '/?q=nosuchword', ready: '.empty h2' },
  { name: 'run', path: ({ run }) => `/tasks/${run}`, ready: '.span-row .span-label' },
  { name: 'run-failed', path: ({ failed }) => `/tasks/${failed}`, ready: '.failure' },
  { name: 'run-hostile', path: ({ hostile }) => `/tasks/${hostile}`, ready: '.person' },
  { name: 'run-delivered', path: ({ delivered }) => `/tasks/${delivered}`, ready: '.span-row' },
  { name: 'workflows', path: () => '/workflows', ready: '.card .status' },
  { name: 'workflow', path: ({ workflow }) => `/workflows/${workflow}`, ready: '.board .phase' },
  { name: 'deliveries', path: () => '/deliveries', ready: '.card .status' },
  { name: 'numbers', path: () => '/numbers', ready: '.charts rect' },
  { name: 'health', path: () => '/health', ready: 'table.books td' },
];

function recording(name, ms = 0) {
  return {
    command: [process.execPath, AGENT, name === 'hostile' ? name : resolve(SAMPLES, name), String(ms)],
  };
}

/** `tasktrail.config.json` of the service. `waiting` runs until the file `go` exists in its working directory. */
export const CONFIG = {
  agents: {
    claude: recording('claude-code/demo.jsonl'),
    flaky: recording('claude-code/flaky.jsonl'),
    denied: recording('claude-code/denied.jsonl'),
    subagents: recording('claude-code/subagent.jsonl'),
    codex: recording('codex/demo.jsonl'),
    gemini: recording('gemini-cli/demo.jsonl'),
    overloaded: recording('claude-code/error529.jsonl'),
    hostile: recording('hostile'),
    slow: recording('claude-code/demo.jsonl', 1_000),
    waiting: { command: ['sh', '-c', 'echo begun; while [ ! -e go ]; do sleep 0.05; done; echo done'] },
  },
};

export const HOSTILE_MESSAGE =
  '<script>window.__ran = 7</script><img src=x onerror="window.__ran = 8"> invoice\u202Egnp.exe \u001b[31mred';

const ORDERS = [
  ['claude', 'Fix the flaky login test in tests/auth.spec.ts'],
  ['codex', 'Why does the nightly build fail on ARM?'],
  ['gemini', 'Refactor the payment module so that refunds are idempotent'],
  ['subagents', 'Review pull request 4711: add rate limiting'],
  ['denied', 'Remove the old migration scripts'],
  ['flaky', 'Update the changelog for 2.3.0'],
];

/** Starts the tasks and waits until they are over. */
export async function recordTasks(url, token) {
  const api = apiOf(url, token);
  const submit = async (agent, message) => (await api('/tasks', { agent, message })).task_ids[0];
  const others = await Promise.all(ORDERS.slice(1).map(([agent, message]) => submit(agent, message)));
  const hostile = await submit('hostile', HOSTILE_MESSAGE);
  const failed = await submit('overloaded', 'Raise the memory limit of the importer');
  const delivered = await deliver(url);
  // The newest of the list.
  const run = await submit(...ORDERS[0]);
  const ids = [...others, hostile, failed, delivered, run];
  const documents = await Promise.all(ids.map((id) => endOf(api, id)));
  return {
    run,
    failed,
    hostile,
    delivered,
    workflow: documents[ids.indexOf(delivered)].workflow_ids?.[0] ?? '',
  };
}

function apiOf(url, token) {
  const authorization = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return async (path, body) => {
    const headers = { ...authorization, 'content-type': 'application/json' };
    const init = body === undefined ? { headers } : { method: 'POST', headers, body: JSON.stringify(body) };
    const response = await fetch(`${url}/api${path}`, init);
    // A task that a webhook has started is stored a moment after the answer.
    if (response.status === 404) return {};
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return response.json();
  };
}

async function endOf(api, id) {
  for (let tries = 0; tries < 1_200; tries += 1) {
    const task = await api(`/tasks/${id}`);
    if (['completed', 'failed', 'cancelled', 'abandoned'].includes(task.status)) return task;
    await delay(50);
  }
  throw new Error(`${id} does not end`);
}

/** A comment that starts a task, one that starts none, and one with a wrong signature. Returns the id of the task. */
async function deliver(url) {
  const answer = await send(url, '@agent review this change, please');
  await send(url, 'Thank you, that was quick.');
  await send(url, '@agent review', 'a wrong secret');
  return answer.task_ids[0];
}

async function send(url, text, secret = SECRET) {
  const page = 'https://github.com/acme/app/issues/42';
  const body = JSON.stringify({
    action: 'created',
    issue: { number: 42, title: 'The login is slow', html_url: page },
    comment: { id: Math.floor(Math.random() * 1e12), body: text, html_url: `${page}#issuecomment-1` },
    repository: { full_name: 'acme/app' },
    sender: { login: 'jo', type: 'User' },
  });
  const response = await fetch(`${url}/webhooks/github`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'x-github-event': 'issue_comment',
      'x-github-delivery': randomUUID(),
      'x-hub-signature-256': `sha256=${createHmac('sha256', secret).update(body).digest('hex')}`,
    },
    body,
  });
  return response.json();
}
